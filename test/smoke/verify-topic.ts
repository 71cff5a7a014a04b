import { readFile } from 'node:fs/promises';
import { assemble } from '../support/assemble.ts';
import { readTopic } from '../support/topics.ts';

/**
 * `verify-topic BROKERS TOPIC FILE`: checks that the topic has exactly the file's bytes, by kafkajs
 * and the records' ranges.
 */
const [brokers = '', topic = '', file = ''] = process.argv.slice(2);
const records = await readTopic(brokers.split(','), topic);
const generations = [...assemble(records).values()];
const expected = await readFile(file);
const [found] = generations;
if (generations.length !== 1 || !found) throw new Error(`expected one file in ${topic}, found ${generations.length}`);
if (!found.bytes.equals(expected)) {
  const at = expected.findIndex((byte, index) => byte !== found.bytes[index]);
  throw new Error(
    `${topic} differs from ${file}: ${found.bytes.length} bytes and ${expected.length}, first at byte ${at}`,
  );
}
process.stdout.write(
  `verified: ${found.records} lines, ${found.bytes.length} bytes in ${topic} are those of the file, byte for byte\n`,
);
