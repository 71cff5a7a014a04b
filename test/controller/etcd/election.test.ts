import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Election, type Term, writeFenced } from '../../../controller/etcd/election.ts';
import { EtcdClient } from '../../../controller/etcd/etcd-client.ts';
import { EtcdMirror } from '../../../controller/etcd/etcd-mirror.ts';
import { Keyspace } from '../../../controller/etcd/keyspace.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { startEtcd } from '../../../stack/etcd.ts';
import { newPrefix } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { sharedEtcd } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';

const tools = { clock: systemClock, logger: createLogger({ level: 'error', format: 'text' }) };
const TTL_MS = 2_000;

interface Candidate extends AsyncDisposable {
  client: EtcdClient;
  terms: Term[];
  /** How many terms it is serving. The sum over all candidates is at most 1. */
  serving: number;
  stop(): Promise<void>;
}

/** A candidate that serves each of its terms until it is over. */
function candidate(endpoint: string, prefix: string): Candidate {
  const client = new EtcdClient({ endpoints: [endpoint], tls: undefined, user: undefined });
  const mirror = new EtcdMirror(client, new Keyspace(prefix).current, tools);
  const election = new Election(client, mirror, { key: `${prefix}elections/x`, candidate: 'c', ttlMs: TTL_MS }, tools);
  const stop = new AbortController();
  const it: Candidate = {
    client,
    terms: [],
    serving: 0,
    stop: async () => {
      stop.abort();
      await running;
    },
    [Symbol.asyncDispose]: async () => {
      await it.stop();
      client.close();
    },
  };
  const serve = async (term: Term) => {
    it.terms.push(term);
    it.serving++;
    if (!term.signal.aborted)
      await new Promise((resolve) => term.signal.addEventListener('abort', resolve, { once: true }));
    it.serving--;
  };
  const running = Promise.all([mirror.run(stop.signal), election.run(stop.signal, serve)]);
  return it;
}

test('one candidate is elected; when it ends, another one at once with a higher revision; the previous one can write nothing', async () => {
  const etcd = await sharedEtcd();
  const prefix = newPrefix();
  const all = [candidate(etcd, prefix), candidate(etcd, prefix), candidate(etcd, prefix)];
  const elected = (after: bigint) =>
    eventually(() => {
      const found = all.find(({ serving, terms }) => serving === 1 && (terms.at(-1)?.revision ?? 0n) > after);
      assert.ok(found, 'nobody is elected');
      assert.equal(
        all.reduce((sum, { serving }) => sum + serving, 0),
        1,
      );
      return found;
    });
  try {
    const first = await elected(0n);
    const term = first.terms.at(-1) as Term;
    const write = { key: `${prefix}done`, value: 'by the first' };
    assert.ok(((await writeFenced(first.client, term, [write])) ?? 0n) > term.revision);
    await first.stop();
    assert.ok(term.signal.aborted);
    const second = await elected(term.revision);
    assert.equal(await writeFenced(first.client, term, [{ ...write, value: 'too late' }]), undefined);
    assert.equal((await second.client.get(write.key))?.value, 'by the first');
    // The key is deleted, as an operator may do: the third or the second candidate gets a new term.
    const former = second.terms.at(-1) as Term;
    await second.client.delete(`${prefix}elections/x`);
    assert.equal(await writeFenced(second.client, former, [{ ...write, value: 'too late' }]), undefined);
    await eventually(() =>
      assert.ok(all.some(({ terms }) => terms.some(({ revision }) => revision > former.revision))),
    );
  } finally {
    for (const each of all) await each[Symbol.asyncDispose]();
  }
});

test('a term ends before etcd lets a successor win, also when etcd hangs; afterwards there is a new term', async () => {
  await using dir = await tempDir('election');
  const etcd = await startEtcd({ dataDir: dir.at('etcd') });
  try {
    await using only = candidate(etcd.endpoint, newPrefix());
    const term = await eventually(() => {
      assert.equal(only.serving, 1);
      return only.terms[0] as Term;
    });
    await etcd.kill('SIGKILL');
    const sinceMs = systemClock.monotonicMs();
    await eventually(() => assert.ok(term.signal.aborted));
    assert.ok(systemClock.monotonicMs() - sinceMs < TTL_MS, 'within the time of the lease');
    await etcd.start();
    await eventually(() => assert.ok(only.serving === 1 && (only.terms.at(-1) as Term).revision > term.revision), {
      timeoutMs: 20_000,
    });
  } finally {
    await etcd.stop();
  }
});
