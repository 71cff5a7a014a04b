import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { newPrefix, startController } from '../../support/controllers.ts';
import { sharedEtcd } from '../../support/servers.ts';

const file = join(import.meta.dirname, '..', '..', '..', 'deploy', 'prometheus', 'rules.yaml');

test('the Prometheus alert rules use only metrics that a controller exports', async () => {
  const { groups } = parse(readFileSync(file, 'utf8')) as { groups: { rules: { alert: string; expr: string }[] }[] };
  const rules = groups.flatMap((group) => group.rules);
  assert.ok(rules.length >= 5 && rules.every(({ alert }) => alert.startsWith('Logfleet')));
  await using controller = await startController(await sharedEtcd(), newPrefix(), '--metrics-listen', '127.0.0.1:0');
  const { address } = await controller.process.logged('serving metrics');
  const response = await fetch(`http://${address}/metrics`);
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  const lines = (await response.text()).trimEnd().split('\n');
  for (const line of lines)
    assert.match(line, /^# (HELP \w+ .+|TYPE \w+ (gauge|counter))$|^\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [\d.e+-]+$/);
  const told = new Set(lines.flatMap((line) => /^# TYPE (\w+)/.exec(line)?.[1] ?? []));
  for (const { alert, expr } of rules) {
    const asked = expr.match(/\b(logfleet|process)_\w+/g) ?? [];
    assert.ok(asked.length > 0, alert);
    for (const name of asked) assert.ok(told.has(name), `${alert}: ${name} is not told`);
  }
  assert.equal((await fetch(`http://${address}/other`)).status, 404);
});
