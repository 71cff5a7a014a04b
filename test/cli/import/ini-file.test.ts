import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIni } from '../../../cli/import/ini-file.ts';

const asObject = (text: string) =>
  Object.fromEntries([...parseIni(text)].map(([name, values]) => [name, Object.fromEntries(values)]));

test("an ini file is parsed as by Go's package: both delimiters, comments, quotes, CRLF, a byte order mark", () => {
  const text = [
    '\uFEFF; the agent of web-1',
    'loglevel = info # before any section',
    '[kafka]',
    'address=127.0.0.1:9092 ',
    'topic = web_log ; where to',
    '',
    '[ETCD] # capital',
    'Address : 10.0.0.5:2379',
    'key = "/log#agent/%s/conf" # in quotes a # is none',
    'empty =',
    '[taillog]',
    'path:=./my.log',
    '[kafka]',
    'topic=later',
  ].join('\r\n');
  assert.deepEqual(asObject(text), {
    '': { loglevel: 'info' },
    kafka: { address: '127.0.0.1:9092', topic: 'later' },
    etcd: { address: '10.0.0.5:2379', key: '/log#agent/%s/conf', empty: '' },
    taillog: { path: './my.log' },
  });
});

test('an error names the line that is not a setting', () => {
  assert.throws(() => parseIni('[kafka]\nnonsense\n'), /line 2: neither \[section\] nor key = value: nonsense/);
});
