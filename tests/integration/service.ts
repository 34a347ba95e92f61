// The service as plain HTTP, and what was stored there.
import { randomBytes } from 'node:crypto';
import type { Call } from './calling.ts';
import { insist } from './report.ts';

export type Json = Record<string, any>;

export interface Reply {
    readonly status: number;
    readonly headers: Headers;
    readonly text: string;
    /** Nothing, if the body is no JSON object. */
    readonly body: Json | undefined;
}

interface Sending {
    readonly method?: string;
    readonly body?: unknown;
    readonly headers?: Record<string, string>;
    /** Another token than that of the call; empty for none. */
    readonly token?: string;
}

export class Service {
    readonly call: Call;

    constructor(call: Call) {
        this.call = call;
    }

    /** A token follows no redirection, and no call lasts for ever. */
    readonly fetch = (url: string | URL, init: RequestInit = {}): Promise<Response> => {
        const late = AbortSignal.timeout(this.call.callSeconds * 1000);
        const signal = init.signal ? AbortSignal.any([init.signal, late]) : late;
        return fetch(url, { ...init, signal, redirect: 'error' });
    };

    async ask(path: string, { method, body, headers, token = this.call.token }: Sending = {}): Promise<Reply> {
        const response = await this.fetch(`${this.call.url}${path}`, {
            method: method ?? (body === undefined ? 'GET' : 'POST'),
            headers: {
                ...(token ? { Authorization: `Bearer ${token}` } : {}),
                ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
                ...headers,
            },
            ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        const text = await response.text();
        return { status: response.status, headers: response.headers, text, body: parsed(text) };
    }

    /** What is answered with 200. */
    async get(path: string, sending: Sending = {}): Promise<Json> {
        const reply = await this.ask(path, sending);
        insist(reply.status === 200, refusal(reply));
        insist(reply.body, 'what was answered is no JSON');
        return reply.body;
    }

    /** That it is refused with this status, as RFC 9457 says how. */
    async refuses(status: number, path: string, sending: Sending = {}): Promise<true> {
        const reply = await this.ask(path, sending);
        insist(reply.status === status, `it should be refused with ${status}. ${refusal(reply)}`);
        const media = reply.headers.get('content-type') ?? 'nothing';
        insist(media.startsWith('application/problem+json'), `the refusal is ${media}, and no problem of RFC 9457`);
        insist(reply.body?.type && reply.body.detail && reply.body.remedy, 'the refusal says no type, detail and remedy');
        return true;
    }
}

function parsed(text: string): Json | undefined {
    try {
        const found: unknown = JSON.parse(text);
        return typeof found === 'object' && found !== null ? (found as Json) : undefined;
    } catch {
        return undefined;
    }
}

/** A problem's own words; of any other body nothing, which may be somebody's. */
export function refusal({ status, body }: Reply): string {
    const words = body?.detail ? `: ${body.detail} ${body.remedy ?? ''}` : '';
    return `It answered ${status}${words}`.trim();
}

/** A conversation that nobody else can have, with one sentence that nobody else has said. */
export class Planted {
    readonly word = `integration${randomBytes(8).toString('hex')}`;
    readonly id: string;
    readonly sentence = `The lighthouse keeper wrote the word ${this.word} into his logbook.`;
    /** Whether it may be stored: an ingest was sent, and perhaps not heard of, and it was not seen to be gone since. */
    state: 'gone' | 'sent' | 'stored' = 'gone';
    private readonly service: Service;
    private readonly way: string;

    constructor(service: Service, way: string) {
        this.service = service;
        this.way = way;
        this.id = `integration-test/${way}/${this.word}`;
    }

    get path(): string {
        return `/conversations/${encodeURIComponent(this.id)}`;
    }

    /** The hit among others that is ours: of those no word may be shown. */
    found(hits: Json[] | undefined): Json {
        const ours = hits?.find((hit) => hit.conversation_id === this.id);
        insist(ours, `${hits?.length ?? 0} hits, and what was stored by ${this.way} is not among them`);
        insist(ours.text?.includes(this.word), 'it was found, but not with the words that were stored');
        return ours;
    }

    answered(reply: Json | undefined): void {
        insist(reply?.answered === true, `there is no answer: ${reply?.reason ?? 'and no reason'}`);
        const ours = reply.citations?.find((each: Json) => each.uri?.includes(this.word));
        insist(ours?.quote?.includes(this.word), 'the answer does not quote what was stored');
        insist(ours.verified === true, 'its quote was not verified');
    }

    async gone(): Promise<void> {
        await this.service.refuses(404, this.path);
        this.state = 'gone';
    }

    /** Whatever has happened before. An ingest that was not heard of may still be under way. */
    async takeOut(pause: (milliseconds: number) => Promise<unknown>): Promise<void> {
        for (let turn = this.state === 'sent' ? 0 : 2; turn < 3; turn += 1) {
            const { status } = await this.service.ask(this.path, { method: 'DELETE' });
            if (status === 200) return this.gone();
            insist(status === 404, `forgetting it was answered ${status}`);
            if (turn < 2) await pause(1000);
        }
        this.state = 'gone';
    }
}
