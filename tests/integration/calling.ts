// How the suite is called, and where what it calls is.
import { parseArgs } from 'node:util';

export const HELP = `Uses an environment as its callers do, over MCP and REST, and takes out again what it has put in.

  npm run test:integration -- --env development|staging|production [--url URL]

  --env    whose
  --url    where it is, if not where the environment has it; $SERVICE_URL
  --help   this

$API_TOKEN is a token with the scopes read, write and erase. What is stored has an id that nobody can guess, and belongs
to the tenant of the token; nothing else is read or changed, and of what else is found no word is shown. A question goes
to the model that writes answers, where there is one.

Seconds: $CALL_SECONDS (30) for a call, $MEANING_SECONDS (60) until what was stored is found by its meaning.
Exit codes: 0 all is well; 1 something is not, and the last lines say what; 2 wrong call.`;

// As url_of in deploy/scripts/lib.sh has them.
const URLS: Record<string, string> = {
    production: 'https://mcp-demo.example.com',
    staging: 'https://staging.mcp-demo.example.com',
    development: 'https://dev.mcp-demo.example.com',
};

export class WrongCall extends Error {}

export interface Call {
    readonly environment: string;
    readonly url: string;
    readonly token: string;
    readonly callSeconds: number;
    readonly meaningSeconds: number;
}

/** What is asked for; nothing, if it is only how to ask. */
export function understand(words: string[], variables: NodeJS.ProcessEnv): Call | undefined {
    const said = options(words);
    if (said.help) return undefined;
    const environment = said.env ?? refuse('which environment? --env development, staging or production');
    const usual = URLS[environment] ?? refuse(`there is no environment ${environment}: development, staging or production`);
    const url = reachable(said.url ?? (variables.SERVICE_URL || usual));
    return {
        environment,
        url,
        token: variables.API_TOKEN || refuse('API_TOKEN is not set. `mcp-rag token create` makes one that may read, write and erase'),
        callSeconds: seconds('CALL_SECONDS', variables.CALL_SECONDS, 30),
        meaningSeconds: seconds('MEANING_SECONDS', variables.MEANING_SECONDS, 60),
    };
}

function options(words: string[]) {
    const known = { env: { type: 'string' }, url: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;
    try {
        return parseArgs({ args: words, options: known }).values;
    } catch (error) {
        return refuse((error as Error).message);
    }
}

/** The token goes there with every call, so nobody must be able to read it on its way. */
function reachable(text: string): string {
    const url = URL.canParse(text) ? new URL(text) : refuse(`${text} is no URL`);
    const here = ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname);
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && here)) {
        refuse(`a token is not sent to ${url.origin}: only by https, or to this machine`);
    }
    return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

function seconds(name: string, said: string | undefined, usual: number): number {
    const found = said ? Number(said) : usual;
    return found > 0 ? found : refuse(`${name} is a number of seconds`);
}

function refuse(why: string): never {
    throw new WrongCall(why);
}
