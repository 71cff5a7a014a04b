import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentId, entryId, hostToId, isAgentId, shortAgentName, shortEntryName } from '../../../proto/rules/names.ts';

test('the id in a name is undefined when the name is not valid', () => {
  assert.equal(entryId('entries/nginx-access'), 'nginx-access');
  assert.equal(entryId('entries/Nginx'), undefined);
  assert.equal(agentId('agents/web-17.example'), 'web-17.example');
  assert.equal(agentId('entries/web-17'), undefined);
});

test('a short name lacks the prefix, and any other text is returned as it is', () => {
  assert.equal(shortEntryName('entries/nginx-access'), 'nginx-access');
  assert.equal(shortEntryName('agents/web-17'), 'agents/web-17');
  assert.equal(shortAgentName('agents/web-17'), 'web-17');
  assert.equal(shortAgentName(''), '');
});

test("the id made from a host's name is valid, and a name that is an id already stays as it is", () => {
  const cases: [host: string, id: string][] = [
    ['web-17.example.com', 'web-17.example.com'],
    ['127', '127'],
    ['WEB_01', 'web-01'],
    ['web-1.', 'web-1'],
    ['-web--1-', 'web--1'],
    ['my host (2)', 'my-host-2'],
    ['bücher', 'xn--bcher-kva'],
    ['服务器', 'xn--zfru1ggxt'],
    [`${'a'.repeat(252)}.b`, 'a'.repeat(252)],
  ];
  for (const [host, id] of cases) {
    assert.equal(hostToId(host), id);
    assert.ok(isAgentId(id), id);
  }
  for (const host of ['', '-', '...', '___']) assert.equal(hostToId(host), '');
});
