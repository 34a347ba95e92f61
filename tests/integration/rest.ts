// The REST routes, as docs/rest.md promises them.
import { setTimeout as pause } from 'node:timers/promises';
import { type Report, Stopped, insist } from './report.ts';
import { type Json, type Planted, type Service, refusal } from './service.ts';

/** Whether it is there at all. */
export async function looks(report: Report, service: Service): Promise<boolean> {
    const health = await report.check(
        'health',
        async () => {
            const { body, ...reply } = await service.ask('/health', { token: '' });
            insist(body?.parts, `this is not the health of the service. ${refusal({ ...reply, body })}`);
            insist(body.status !== 'down', `it is down: ${unwell(body)}`);
            return body;
        },
        (body) => `${body.status}${unwell(body) && ` (${unwell(body)})`}`,
    );
    await report.check(
        'version',
        async () => {
            const body = await service.get('/version', { token: '' });
            insist(body.version && body.schema_revision, 'it does not say its version and that of its schema');
            return body;
        },
        (body) => `${body.version}, revision ${body.revision ?? 'unknown'}, schema ${body.schema_revision}`,
    );
    return health !== undefined;
}

function unwell({ parts }: Json): string {
    const bad = Object.entries<Json>(parts).filter(([, part]) => part.state !== 'ok');
    return bad.map(([name, part]) => `${name} ${part.state}`).join(', ');
}

/** Who is let in, and that the token may do all that follows, before anything is stored. */
export async function admits(report: Report, service: Service, nowhere: Planted): Promise<boolean> {
    await report.check('nobody comes in without a token', () => service.refuses(401, '/conversations', { token: '' }));
    await report.check('nobody comes in with a wrong token', () =>
        service.refuses(401, '/conversations', { token: 'mcprag_wrong' }),
    );
    const may = [
        await report.check('the token may read', () => service.get('/conversations?limit=1')),
        // What has no content is stored by nobody, and who may not store is told that first.
        await report.check('the token may write', () => service.refuses(400, '/ingest', { body: {} })),
        await report.check('the token may erase', () => service.refuses(404, nowhere.path, { method: 'DELETE' })),
    ];
    return may.every(Boolean);
}

export async function serves(report: Report, service: Service, planted: Planted): Promise<void> {
    const body = { conversation_id: planted.id, content: planted.sentence, title: planted.word };
    const key = { 'Idempotency-Key': planted.word };
    const where = { conversation_id: planted.id };
    const stored = await report.check('REST ingest', async () => {
        planted.state = 'sent';
        const receipt = await service.get('/ingest', { body, headers: key });
        planted.state = 'stored';
        insist(receipt.added === 1, `${receipt.added} messages were added, not 1: ${receipt.skipped?.[0]?.reason ?? ''}`);
        return receipt;
    });
    if (!stored) return report.leftOut('the rest of REST, as nothing was stored');

    await report.check('REST ingest, sent again with its key', async () => {
        const again = await service.ask('/ingest', { body, headers: key });
        insist(again.status === 200, refusal(again));
        insist(again.headers.get('idempotency-replayed') === 'true', 'it was done again, and not answered again');
    });
    await report.check('REST ingest, sent again', async () => {
        const receipt = await service.get('/ingest', { body });
        insist(receipt.added === 0 && receipt.unchanged === 1, 'what was stored did not stay as it was');
    });
    await report.check('REST search by a word', async () => {
        planted.found((await service.get('/search', { body: { query: planted.word, limit: 5 } })).results);
    });
    await report.check('REST search by meaning', () => findsByMeaning(report, service, planted));
    await report.check('REST ask', async () => {
        planted.answered(await service.get('/ask', { body: { question: `Who wrote ${planted.word}?`, ...where } }));
    });
    await report.check('REST ask, as events', () => asksForEvents(service, planted));
    await report.check('REST conversations', async () => {
        const page = await service.get(`/conversations?title=${planted.word}`);
        const ids = page.conversations?.map((each: Json) => each.conversation_id);
        insist(ids?.length === 1 && ids[0] === planted.id, 'it is not listed by its title, and alone');
        insist((await service.get(planted.path)).message_count === 1, 'it has not one message');
        const { messages } = await service.get(`${planted.path}/messages`);
        insist(messages?.[0]?.text === planted.sentence, 'its message is not word for word what was stored');
    });
    await refuses(report, service, planted);
    await report.check('REST forget', async () => {
        const receipt = await service.get(planted.path, { method: 'DELETE' });
        insist(receipt.messages === 1, `${receipt.messages} messages were removed, not 1`);
        await planted.gone();
    });
}

/** Vectors are made a moment after something is stored, by a server or a worker. */
async function findsByMeaning(report: Report, service: Service, planted: Planted): Promise<void> {
    // Not one word of it is stored.
    const body = { query: 'diary of a beacon guard', conversation_id: planted.id };
    const until = Date.now() + service.call.meaningSeconds * 1000;
    for (;;) {
        const { results, mode } = await service.get('/search', { body });
        if (results?.length) return void planted.found(results);
        insist(Date.now() < until, `not in ${service.call.meaningSeconds} s (${mode}): does anybody make vectors?`);
        if (report.stopped) throw new Stopped();
        await pause(500);
    }
}

async function asksForEvents(service: Service, planted: Planted): Promise<void> {
    const body = { question: `Who wrote ${planted.word}?`, conversation_id: planted.id };
    const reply = await service.ask('/ask', { body, headers: { Accept: 'text/event-stream' } });
    insist(reply.status === 200, refusal(reply));
    const media = reply.headers.get('content-type') ?? 'nothing';
    insist(media.startsWith('text/event-stream'), `it is ${media}`);
    const events = reply.text.split(/\r?\n\r?\n/).map((block) => Object.fromEntries(
        block.split(/\r?\n/).map((line) => line.match(/^(\w+): ?(.*)$/)?.slice(1, 3) ?? ['', '']),
    ));
    const names = events.map((each) => each.event).filter(Boolean);
    insist(names[0] === 'sources' && names.at(-1) === 'done', `the events are ${names.join(', ') || 'none'}`);
    planted.answered((JSON.parse(events.find((each) => each.event === 'done')?.data ?? '{}') as Json).reply);
}

async function refuses(report: Report, service: Service, { word }: Planted): Promise<void> {
    await report.check('REST refuses a conversation that is not there, 404', () =>
        service.refuses(404, `/conversations/${word}-is-not-there`),
    );
    await report.check('REST refuses a path that is not there, 404', () => service.refuses(404, `/${word}`));
    await report.check('REST refuses a method, 405', () => service.refuses(405, '/search'));
    await report.check('REST refuses a body that cannot be used, 400', () =>
        service.refuses(400, '/search', { body: { query: word, limit: 0 } }),
    );
}
