// Clients of the TypeScript SDK, how they reach a server, and how they say what they got: one line of JSON a step.
//
// A client is told of by
//   sdk      "v1" (@modelcontextprotocol/sdk) or "v2" (@modelcontextprotocol/client)
//   mode     "auto" for v2 to ask for the newest revision first
//   server   {transport: "http" or "sse", url} or {transport: "stdio", command, args, env}

export function say(step, got) {
    process.stdout.write(`${JSON.stringify({ step, ...got })}\n`);
}

export async function library(version) {
    if (version === 'v2') {
        return { ...(await import('@modelcontextprotocol/client')), ...(await import('@modelcontextprotocol/client/stdio')) };
    }
    const parts = ['client/index', 'client/streamableHttp', 'client/sse', 'client/stdio', 'types'];
    const loaded = await Promise.all(parts.map((part) => import(`@modelcontextprotocol/sdk/${part}.js`)));
    return Object.assign({}, ...loaded);
}

export function clientOf(sdk, { sdk: version, mode }) {
    const options = mode ? { versionNegotiation: { mode } } : {};
    return new sdk.Client({ name: `foreign-${version}`, version: '1.0.0' }, options);
}

export function transportOf(sdk, { server: { transport, url, ...command } }) {
    if (transport === 'stdio') return new sdk.StdioClientTransport(command);
    const Transport = transport === 'sse' ? sdk.SSEClientTransport : sdk.StreamableHTTPClientTransport;
    return new Transport(new URL(url));
}
