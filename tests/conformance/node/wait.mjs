// Clients of the TypeScript SDK that make the same calls twice, once listening to how they go on: all at the same time.
//
// They connect, and call when there is a line on stdin. Told in JSON, as the first argument:
//   clients   {name: client (reaching.mjs) with its calls, [[tool, arguments], …]}
//   patience  milliseconds without a word after which a call is given up
//   times     how often, one after another, a call is made of which nothing is heard

import { once } from 'node:events';
import { clientOf, library, say, transportOf } from './reaching.mjs';

const told = JSON.parse(process.argv[2]);

class Waiting {
    constructor(name, { sdk, calls }, client) {
        Object.assign(this, { name, sdk, calls, client });
    }

    say(step, got) {
        say(step, { client: this.name, ...got });
    }

    call([name, args], more) {
        const options = { timeout: told.patience, resetTimeoutOnProgress: true, ...more };
        return this.client.callTool({ name, arguments: args }, ...(this.sdk === 'v1' ? [undefined] : []), options);
    }

    async listens(call) {
        const onprogress = (heard) => this.say('heard', { tool: call[0], ...heard });
        const { isError = false, code } = await this.call(call, { onprogress }).catch((error) => error);
        this.say('result', { tool: call[0], isError, code });
    }

    async givesUp(call) {
        for (let time = 0; time < told.times; time += 1) {
            const { code } = await this.call(call).catch((error) => error);
            this.say('gave up', { tool: call[0], code });
        }
        this.say('gave up for good', { tool: call[0] });
    }

    async waits() {
        await Promise.all(this.calls.flatMap((call) => [this.listens(call), this.givesUp(call)]));
        await this.client.close();
    }
}

async function connected([name, how]) {
    const sdk = await library(how.sdk);
    const client = clientOf(sdk, how);
    await client.connect(transportOf(sdk, how));
    const waiting = new Waiting(name, how, client);
    waiting.say('connected', { revision: client.getNegotiatedProtocolVersion?.() });
    return waiting;
}

const clients = await Promise.all(Object.entries(told.clients).map(connected));
say('ready', {});
await once(process.stdin, 'data');
await Promise.all(clients.map((client) => client.waits()));
process.stdin.destroy();
