// A client of the TypeScript SDK that uses all that a server offers, and says what it got.
//
// Told in JSON, as the first argument, of the client (reaching.mjs), and
//   calls    [[tool, arguments], …], in this order
//   values   what prompts and addresses are filled in with, by name

import { clientOf, library, say, transportOf } from './reaching.mjs';

const told = JSON.parse(process.argv[2]);

const LEVEL = 'info';

async function connected() {
    const sdk = await library(told.sdk);
    const client = clientOf(sdk, told);
    client.setNotificationHandler(sdk.LoggingMessageNotificationSchema ?? 'notifications/message', ({ params }) => say('log', params));
    await client.connect(transportOf(sdk, told));
    if (!perCall(client)) await client.setLoggingLevel(LEVEL);
    return client;
}

// Since 2026-07-28 each call says from which level on it wants the log.
function perCall(client) {
    return client.getNegotiatedProtocolVersion?.() === '2026-07-28';
}

async function all(list, field) {
    const found = [];
    let cursor;
    do {
        const page = await list(cursor === undefined ? undefined : { cursor });
        found.push(...page[field]);
        cursor = page.nextCursor;
    } while (cursor !== undefined);
    return found;
}

function filledIn(template) {
    return template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(told.values[name]));
}

async function useTools(client) {
    const tools = await all((page) => client.listTools(page), 'tools');
    say('tools', { names: tools.map((tool) => tool.name), schemas: tools.every((tool) => tool.outputSchema) });
    for (const [name, args] of told.calls) {
        // The SDK holds structuredContent against the tool's outputSchema, and throws.
        const call = { name, arguments: args, ...(perCall(client) && { _meta: { 'io.modelcontextprotocol/logLevel': LEVEL } }) };
        const { isError = false, structuredContent, content } = await client.callTool(call);
        say('call', { name, isError, structuredContent, content });
    }
}

async function readResources(client) {
    const resources = await all((page) => client.listResources(page), 'resources');
    const { resourceTemplates } = await client.listResourceTemplates();
    const templates = resourceTemplates.map((each) => each.uriTemplate);
    say('resources', { uris: resources.map((each) => each.uri), templates });
    for (const uri of [...resources.map((each) => each.uri), ...templates.map(filledIn)]) {
        const { contents } = await client.readResource({ uri });
        say('read', { uri, contents });
    }
    for (const uri of templates) {
        for (const [, name] of uri.matchAll(/\{(\w+)\}/g)) await complete(client, { type: 'ref/resource', uri }, name);
    }
}

async function usePrompts(client) {
    const prompts = await all((page) => client.listPrompts(page), 'prompts');
    say('prompts', { names: prompts.map((prompt) => prompt.name) });
    for (const { name, arguments: wanted = [] } of prompts) {
        const args = Object.fromEntries(wanted.map((argument) => [argument.name, told.values[argument.name]]));
        const { messages } = await client.getPrompt({ name, arguments: args });
        say('prompt', { name, messages });
        for (const argument of wanted) await complete(client, { type: 'ref/prompt', name }, argument.name);
    }
}

async function complete(client, ref, name) {
    const { completion } = await client.complete({ ref, argument: { name, value: told.values[name].slice(0, 3) } });
    say('completion', { of: ref.name ?? ref.uri, argument: name, values: completion.values });
}

const client = await connected();
say('connected', { server: client.getServerVersion(), revision: client.getNegotiatedProtocolVersion?.() });
await useTools(client);
await readResources(client);
await usePrompts(client);
await client.close();
say('closed', {});
