// A small host of MCP Apps, as a web page: the official client and the official bridge around one view.
//
// Driven from outside by `host`: open() shows the view of a tool and calls the tool; the rest is what a host may do
// meanwhile, and what it has heard.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { AppBridge, getToolUiResourceUri, PostMessageTransport, RESOURCE_MIME_TYPE } from '@modelcontextprotocol/ext-apps/app-bridge';

const ABOUT = { name: 'host-for-tests', version: '1.0.0' };
const UI = { 'io.modelcontextprotocol/ui': { mimeTypes: [RESOURCE_MIME_TYPE] } };

let client;
let bridge;
const heard = { sizes: [], calls: [], view: null, capabilities: null };

async function connect(mode) {
    const versionNegotiation = mode ? { mode } : undefined;
    client = new Client(ABOUT, { capabilities: { extensions: UI }, versionNegotiation });
    await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', location.href)));
}

async function pageFor(tool) {
    const { tools } = await client.listTools();
    const uri = getToolUiResourceUri(tools.find((each) => each.name === tool));
    const { contents } = await client.readResource({ uri });
    const [content] = contents;
    if (content.mimeType !== RESOURCE_MIME_TYPE) throw new Error(`A view of type ${content.mimeType}.`);
    return { html: content.text, csp: content._meta?.ui?.csp };
}

// The page that lies between, of another origin, so that the view reaches neither host nor server.
async function sandbox(origin) {
    const frame = document.createElement('iframe');
    frame.setAttribute('sandbox', 'allow-scripts allow-same-origin');
    frame.src = `${origin}/sandbox.html`;
    const ready = new Promise((resolve) => {
        addEventListener('message', ({ source, data }) => {
            if (source === frame.contentWindow && data?.method === 'ui/notifications/sandbox-proxy-ready') resolve();
        });
    });
    document.querySelector('main').append(frame);
    await ready;
    return frame;
}

async function bridgeTo(frame, { context, capabilities, refusal }) {
    bridge = new AppBridge(client, ABOUT, capabilities ?? { serverTools: {} }, { hostContext: context });
    bridge.onsizechange = ({ width, height }) => {
        heard.sizes.push({ width, height });
        frame.style.height = `${height}px`;
    };
    const initialized = new Promise((resolve) => {
        bridge.oninitialized = resolve;
    });
    await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
    const forward = bridge.oncalltool;
    bridge.oncalltool = (params, extra) => {
        heard.calls.push(params);
        if (refusal) throw new Error(refusal);
        return forward(params, extra);
    };
    // Wrapped, or it would be waited for here.
    return { initialized };
}

async function open({ tool, args, sandboxOrigin, mode, result, cancelled, ...options }) {
    await connect(mode);
    const page = await pageFor(tool);
    const frame = await sandbox(sandboxOrigin);
    const { initialized } = await bridgeTo(frame, options);
    await bridge.sendSandboxResourceReady(page);
    await initialized;
    heard.view = bridge.getAppVersion();
    heard.capabilities = bridge.getAppCapabilities();
    await bridge.sendToolInput({ arguments: args });
    if (cancelled) await bridge.sendToolCancelled({ reason: cancelled });
    else await bridge.sendToolResult(result ?? (await client.callTool({ name: tool, arguments: args })));
}

globalThis.host = {
    heard,
    open,
    call: (name, args) => client.callTool({ name, arguments: args }),
    change: (context) => bridge.sendHostContextChange(context),
    ping: () => bridge.request({ method: 'ping' }, undefined),
    leave: () => bridge.teardownResource({}),
};
