// See --help, in calling.ts.
import { setTimeout as pause } from 'node:timers/promises';
import { type Call, HELP, WrongCall, understand } from './calling.ts';
import { speaks } from './mcp.ts';
import { Report, Stopped, reason } from './report.ts';
import { admits, looks, serves } from './rest.ts';
import { Planted, Service } from './service.ts';

const FAILED = 1;
const USAGE = 2;
const INTERRUPTED = 130;

async function test(call: Call): Promise<number> {
    const report = new Report();
    const service = new Service(call);
    const planted = { rest: new Planted(service, 'rest'), mcp: new Planted(service, 'mcp') };
    stopWhenTold(report);
    report.say(`${call.environment}, at ${call.url}`);
    try {
        await checkAll(report, service, planted);
    } catch (error) {
        if (!(error instanceof Stopped)) throw error;
    } finally {
        for (const each of Object.values(planted)) await takeOut(report, each);
    }
    if (report.stopped) return INTERRUPTED;
    report.conclude(call.url);
    return report.failed ? FAILED : 0;
}

async function checkAll(report: Report, service: Service, planted: { rest: Planted; mcp: Planted }): Promise<void> {
    if (!(await looks(report, service))) return report.leftOut('all else, as nobody answers who is well');
    if (!(await admits(report, service, planted.rest))) {
        return report.leftOut('all else: it takes a token that may read, write and erase, and a server that lets it');
    }
    await serves(report, service, planted.rest);
    await speaks(report, service, planted.mcp);
}

/** The call that is under way is waited for: what it stores could not be taken out before it is stored. */
function stopWhenTold(report: Report): void {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
        process.on(signal, () => {
            if (!report.stopped) report.say('stopping, once what was stored is taken out');
            report.stopped = true;
        });
    }
}

async function takeOut(report: Report, planted: Planted): Promise<void> {
    if (planted.state === 'gone') return;
    try {
        await planted.takeOut(pause);
        report.say(`taken out: ${planted.id}`);
    } catch (error) {
        report.notOk(`${planted.id} may still be stored: forget it (${reason(error)})`);
    }
}

try {
    const call = understand(process.argv.slice(2), process.env);
    if (call) process.exitCode = await test(call);
    else process.stdout.write(`${HELP}\n`);
} catch (error) {
    if (!(error instanceof WrongCall)) throw error;
    process.stderr.write(`${HELP}\n\nFAILED: ${error.message}\n`);
    process.exitCode = USAGE;
}
