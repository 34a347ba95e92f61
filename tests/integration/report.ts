// One line for each check as soon as it is known, and at the end once more those that failed.

/** Why a check has failed, in words for whoever is on call. */
export class NotWell extends Error {}

/** Somebody wants to go: nothing new is begun. */
export class Stopped extends Error {}

export class Report {
    private readonly bad: string[] = [];
    private checks = 0;
    stopped = false;

    say(words: string): void {
        process.stdout.write(`${new Date().toTimeString().slice(0, 8)} ${words}\n`);
    }

    /** What the work gives, which may say a word of it; nothing, if it fails. */
    async check<T>(what: string, work: () => Promise<T>, told?: (found: T) => string): Promise<T | undefined> {
        if (this.stopped) throw new Stopped();
        this.checks += 1;
        try {
            const found = await work();
            this.say(`ok      ${what}${told ? `: ${told(found)}` : ''}`);
            return found;
        } catch (error) {
            if (error instanceof Stopped) throw error;
            this.notOk(`${what}: ${reason(error)}`);
            return undefined;
        }
    }

    notOk(what: string): void {
        this.bad.push(what);
        this.say(`NOT OK  ${what}`);
    }

    leftOut(what: string): void {
        this.say(`--      left out: ${what}`);
    }

    get failed(): boolean {
        return this.bad.length > 0;
    }

    conclude(url: string): void {
        if (!this.failed) return this.say(`all is well at ${url}: ${this.checks} checks`);
        this.say(`FAILED: ${this.bad.length} of ${this.checks} checks of ${url} are not well:`);
        for (const each of this.bad) this.say(`  ${each}`);
    }
}

export function insist(held: unknown, otherwise: string): asserts held {
    if (!held) throw new NotWell(otherwise);
}

/** The innermost cause says most: "fetch failed" is no reason. */
export function reason(error: unknown): string {
    if (!(error instanceof Error)) return String(error);
    if (error.name === 'TimeoutError') return 'there was no answer in time';
    if (error.cause instanceof AggregateError) return reason(error.cause.errors[0]);
    if (error.cause instanceof Error) return reason(error.cause);
    return error.message.split('\n')[0]?.slice(0, 500) || error.name;
}
