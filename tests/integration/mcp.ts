// The service over MCP, by the official client.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { type Report, insist } from './report.ts';
import type { Json, Planted, Service } from './service.ts';

const TOOLS = ['ask', 'fetch', 'forget', 'ingest', 'list_conversations', 'search'];
const ABOUT = { name: 'mcp-rag-integration-tests', version: '1.0.0' };
type Options = NonNullable<ConstructorParameters<typeof Client>[1]>;

interface Session {
    readonly client: Client;
    readonly transport: StreamableHTTPClientTransport;
}

async function connected(service: Service, options: Options = {}): Promise<Session> {
    const transport = new StreamableHTTPClientTransport(new URL(`${service.call.url}/mcp`), {
        requestInit: { headers: { Authorization: `Bearer ${service.call.token}` } },
        fetch: service.fetch,
        // What is cut is an error, not a reason to wait.
        reconnectionOptions: { maxRetries: 0, initialReconnectionDelay: 1, maxReconnectionDelay: 1, reconnectionDelayGrowFactor: 1 },
    });
    const client = new Client(ABOUT, options);
    await client.connect(transport, { timeout: service.call.callSeconds * 1000 });
    return { client, transport };
}

export async function speaks(report: Report, service: Service, planted: Planted): Promise<void> {
    const session = await report.check(
        'MCP session',
        async () => {
            const found = await connected(service);
            insist(found.client.getServerVersion()?.name, 'the server does not say who it is');
            return found;
        },
        ({ client }) => `revision ${client.getNegotiatedProtocolVersion()}`,
    );
    if (!session) return report.leftOut('the rest of MCP, as there is no session');
    try {
        await offers(report, session.client);
        await remembers(report, session.client, planted);
    } finally {
        await report
            .check('MCP session, ended', () => session.transport.terminateSession())
            .finally(() => session.client.close());
    }
    await report.check(
        'MCP by the newest revision that the client knows',
        async () => {
            const { client } = await connected(service, { versionNegotiation: { mode: 'auto' } });
            try {
                insist((await client.listTools()).tools.length >= TOOLS.length, 'it does not have all tools there');
                return client.getNegotiatedProtocolVersion();
            } finally {
                await client.close();
            }
        },
        (revision) => `${revision}`,
    );
}

async function offers(report: Report, client: Client): Promise<void> {
    await report.check('MCP tools/list', async () => {
        const { tools } = await client.listTools();
        const missing = TOOLS.filter((name) => !tools.some((tool) => tool.name === name && tool.outputSchema));
        insist(!missing.length, `these are not there, or do not say what they return: ${missing.join(', ')}`);
    });
    await report.check('MCP resources/templates/list', async () => {
        const { resourceTemplates } = await client.listResourceTemplates();
        const found = resourceTemplates.map((each) => each.uriTemplate);
        insist(found.includes('conversation://{conversation_id}'), 'a conversation has no address');
    });
    await report.check('MCP resources/read rag://status', async () => {
        insist(JSON.parse(await read(client, 'rag://status')), 'it says nothing');
    });
    await report.check('MCP prompts', async () => {
        const { prompts } = await client.listPrompts();
        insist(prompts.some((prompt) => prompt.name === 'recall'), 'the prompt `recall` is not there');
        const { messages } = await client.getPrompt({ name: 'recall', arguments: { topic: 'lighthouses' } });
        const [first] = messages;
        insist(first?.content.type === 'text' && first.content.text.includes('lighthouses'), 'it does not ask for its topic');
    });
}

async function remembers(report: Report, client: Client, planted: Planted): Promise<void> {
    const where = { conversation_id: planted.id };
    const stored = await report.check('MCP ingest', async () => {
        planted.state = 'sent';
        const receipt = await called(client, 'ingest', { ...where, content: planted.sentence, title: planted.word });
        planted.state = 'stored';
        insist(receipt.added === 1, `${receipt.added} messages were added, not 1: ${receipt.skipped?.[0]?.reason ?? ''}`);
        return receipt;
    });
    if (!stored) return report.leftOut('the rest of MCP, as nothing was stored');
    const uri = String(stored.uri);

    await report.check('MCP search', async () => {
        planted.found((await called(client, 'search', { query: planted.word, limit: 5 })).results);
    });
    await report.check('MCP ask', async () => {
        planted.answered(result(await called(client, 'ask', { question: `Who wrote ${planted.word}?`, ...where })));
    });
    await report.check('MCP list_conversations', async () => {
        const { conversations } = await called(client, 'list_conversations', { title: planted.word });
        insist(conversations?.[0]?.conversation_id === planted.id, 'it is not listed by its title');
    });
    await report.check('MCP resources/read', async () => {
        insist((await read(client, uri)).includes(planted.sentence), 'it has not the words that were stored');
    });
    await report.check('MCP resources/list', async () => {
        const { resources } = await client.listResources();
        insist(resources.some((each) => each.uri === uri), 'what was stored last is not on its first page');
    });
    await report.check('MCP completion/complete', async () => {
        const argument = { name: 'conversation_id', value: planted.id.slice(0, -4) };
        const { completion } = await client.complete({ ref: { type: 'ref/prompt', name: 'continue_conversation' }, argument });
        insist(completion.values.includes(planted.id), 'an id is not completed to what was stored');
    });
    await report.check('MCP fetch refuses what is not there', async () => {
        const { isError } = await client.callTool({ name: 'fetch', arguments: { uri: `${uri}-is-not-there` } });
        insist(isError, 'it is answered as if it were');
    });
    await report.check('MCP forget', async () => {
        const what = { conversation_ids: [planted.id] };
        insist((await called(client, 'forget', what)).dry_run === true, 'it was removed though nobody has agreed');
        const receipt = await called(client, 'forget', { ...what, dry_run: false });
        insist(receipt.messages === 1, `${receipt.messages} messages were removed, not 1`);
        await planted.gone();
    });
}

/** The client holds what comes against the tool's schema. */
async function called(client: Client, name: string, args: Json): Promise<Json> {
    const { isError, structuredContent, content } = await client.callTool({ name, arguments: args });
    const [said] = content;
    insist(!isError, said?.type === 'text' ? said.text : 'it failed, and does not say why');
    insist(structuredContent, 'its result has no structured content');
    return structuredContent as Json;
}

/** A reply is wrapped where its schema is one of two. */
function result(reply: Json): Json {
    return (reply.result as Json | undefined) ?? reply;
}

async function read(client: Client, uri: string): Promise<string> {
    const { contents } = await client.readResource({ uri });
    const [first] = contents;
    insist(first && 'text' in first, 'it has no text');
    return first.text;
}
