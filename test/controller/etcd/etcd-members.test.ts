import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EtcdMembers } from '../../../controller/etcd/etcd-members.ts';
import { HandClock } from '../../support/hand-clock.ts';

const hosts = ['http://a', 'http://b', 'http://c'];

/** How often a call is made that waits for a connection for `waitMs` in vain. */
async function attempts(waitMs: number): Promise<number> {
  const clock = new HandClock();
  let made = 0;
  const call = async () => {
    made++;
    clock.runTo(clock.ms + waitMs);
    throw new Error(`4 DEADLINE_EXCEEDED: Deadline exceeded after ${waitMs / 1000}s,Waiting for LB pick`);
  };
  const { global } = new EtcdMembers(hosts, async () => {}, clock).faultHandling;
  await assert.rejects(async () => global.execute(call), /Waiting for LB pick/);
  return made;
}

test('a request that was not sent is made again at each other member, but not once it has used up its time', async () => {
  assert.equal(await attempts(0), hosts.length);
  assert.equal(await attempts(5_000), 1);
});
