import assert from 'node:assert/strict';
import { test } from 'node:test';
import { httpUrl, isHostPort } from '../../runtime/host-port.ts';

test('an address is a name, an IPv4 address or an IPv6 address in brackets, and a port', () => {
  for (const good of ['a:1', 'kafka-1.example:9092', '10.0.0.1:65535', '[::1]:2379', 'a:0'])
    assert.ok(isHostPort(good), good);
  for (const bad of ['', 'a', ':1', 'a:', 'a:65536', 'a:b', '::1:1', 'a b:1', 'http://a:1', 'a:1/', 'a:1,b:2'])
    assert.ok(!isHostPort(bad), bad);
});

test('a URL stays as it is, and an address becomes one', () => {
  const urls = ['a:1', 'http://a:1', 'https://a:1/', 'https://[::1]:1'].map(httpUrl);
  assert.deepEqual(urls, ['http://a:1', 'http://a:1', 'https://a:1', 'https://[::1]:1']);
  for (const bad of ['', 'a', 'ftp://a:1', 'http://a', 'http://a:1/path', 'a:1/b/'])
    assert.equal(httpUrl(bad), undefined, bad);
});
