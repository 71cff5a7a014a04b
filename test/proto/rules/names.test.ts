import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentId, entryId, shortAgentName, shortEntryName } from '../../../proto/rules/names.ts';

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
