import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { archiveFormat } from '../../../../agent/collect/files/archive-format.ts';
import { LOGHUB, needsLoghub } from '../../../support/loghub.ts';

const HEAD_BYTES = 1024;
const LINES = Buffer.from(Array.from({ length: 5_000 }, (_, at) => `line ${at} of the log\n`).join(''));
const formatOf = (file: Buffer) => archiveFormat(file.subarray(0, HEAD_BYTES), file.length < HEAD_BYTES);

/** Written by the tools themselves: Python has those of bzip2, LZMA, zip and tar in its library. */
const PYTHON = `
import sys, io, bz2, lzma, zipfile, tarfile
data, format = sys.stdin.buffer.read(), sys.argv[1]
out = io.BytesIO()
if format == 'zip':
    with zipfile.ZipFile(out, 'w') as archive: archive.writestr('app.log', data)
elif format in ('ustar', 'pax', 'gnu'):
    with tarfile.open(fileobj=out, mode='w', format=getattr(tarfile, format.upper() + '_FORMAT')) as archive:
        member = tarfile.TarInfo('app.log'); member.size = len(data); archive.addfile(member, io.BytesIO(data))
else: out.write({'bz2': bz2.compress, 'xz': lzma.compress, 'lzma': lambda d: lzma.compress(d, format=lzma.FORMAT_ALONE)}[format](data))
sys.stdout.buffer.write(out.getvalue())
`;
const byPython = (format: string) => (data: Buffer) => execFileSync('python3', ['-c', PYTHON, format], { input: data });

const ARCHIVES: Record<string, { name: string; make(data: Buffer): Buffer }> = {
  gzip: { name: 'gzip', make: (data) => gzipSync(data) },
  zstd: { name: 'zstd', make: (data) => zstdCompressSync(data) },
  zlib: { name: 'zlib', make: (data) => deflateSync(data) },
  'zlib at its fastest': { name: 'zlib', make: (data) => deflateSync(data, { level: 1 }) },
  bzip2: { name: 'bzip2', make: byPython('bz2') },
  xz: { name: 'xz', make: byPython('xz') },
  lzma: { name: 'lzma', make: byPython('lzma') },
  zip: { name: 'zip', make: byPython('zip') },
  'tar (ustar)': { name: 'tar', make: byPython('ustar') },
  'tar (pax)': { name: 'tar', make: byPython('pax') },
  'tar (GNU)': { name: 'tar', make: byPython('gnu') },
};
const hasPython = spawnSync('python3', ['-c', 'import bz2, lzma']).status === 0;

for (const [title, { name, make }] of Object.entries(ARCHIVES)) {
  test(`an archive made by ${title} is recognised, of a long file and of a short one`, (t) => {
    if (!hasPython && make.length === 1 && /python/.test(String(make))) return t.skip('no python3 here');
    for (const data of [LINES, Buffer.from('one\n')]) assert.equal(formatOf(make(data)), name);
  });
}

// From the formats' descriptions.
const MAGICS = {
  lz4: '04224d186040a8',
  lzop: '894c5a4f000d0a1a0a1030',
  snappy: 'ff060000734e61507059',
  '7z': '377abcaf271c0004',
  rar: '526172211a0701',
  lzip: '4c5a4950010c',
  compress: '1f9d906c',
  'zstd or lz4': '502a4d1804000000',
};
test('an archive of any other format with a magic number is recognised', () => {
  for (const [name, hex] of Object.entries(MAGICS)) assert.equal(formatOf(Buffer.from(hex, 'hex')), name);
});

test('no log of loghub is taken for an archive', needsLoghub, () => {
  for (const name of readdirSync(LOGHUB).filter((one) => one.endsWith('.log'))) {
    const bytes = readFileSync(join(LOGHUB, name));
    assert.equal(formatOf(bytes), undefined, name);
    for (const encoding of ['utf16le', 'latin1'] as const) {
      const text = Buffer.from(bytes.toString(), encoding);
      for (const file of [text, Buffer.concat([Buffer.from('\uFEFF', encoding), text])])
        assert.equal(formatOf(file), undefined, `${name} in ${encoding}`);
    }
    assert.equal(formatOf(Buffer.from(bytes.toString(), 'utf16le').swap16()), undefined, name);
  }
});

// The first characters of archives that are text, and what may follow them in a log.
const BEGINNINGS = ['', '\uFEFF', 'x^', 'x\u0001', 'x\u009c', 'xÚ', 'BZh9', 'PK', 'LZIP', 'Rar!', '7z', ']'];
const textOf = (unit: fc.Arbitrary<string>) =>
  fc
    .tuple(
      fc.constantFrom(...BEGINNINGS),
      fc.string({ unit: fc.oneof(unit, fc.constantFrom('\n', '\t', ' ')), maxLength: 1_500 }),
    )
    .map((parts) => parts.join(''));
const latin = fc.integer({ min: 0x20, max: 0xff }).filter((code) => code < 0x7f || code > 0xa0);
const texts = textOf(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }));
const anyFile = fc.oneof(
  texts.map((text) => Buffer.from(text)),
  texts.map((text) => Buffer.from(text, 'utf16le')),
  texts.map((text) => Buffer.from(text, 'utf16le').swap16()),
  textOf(latin.map((code) => String.fromCharCode(code))).map((text) => Buffer.from(text, 'latin1')),
);
test('no text in any encoding is taken for an archive, also one that begins with the letters of a magic number', () => {
  fc.assert(
    fc.property(anyFile, (file) => assert.equal(formatOf(file), undefined)),
    { numRuns: 2_000 },
  );
});
