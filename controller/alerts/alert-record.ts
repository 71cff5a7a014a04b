import { createHash } from 'node:crypto';
import { Condition } from '../../proto/gen/logfleet/v1/alert.ts';

/** What was last sent to the webhook. */
export type SentState = 'nothing' | 'firing' | 'resolved';

/** An alert as etcd has it (`alerts/ALERT`). The next elected controller continues from it. */
export interface AlertRecord {
  id: string;
  condition: Condition;
  startTime: Date;
  /** When it was resolved; absent while it fires. */
  endTime?: Date;
  sent: SentState;
}

/** The id of the alert for a rule, an agent and an entry. */
export function alertId({ rule, agent, entry }: Condition): string {
  return createHash('sha256').update(`${rule}\n${agent}\n${entry}`).digest('hex').slice(0, 16);
}

/** Whether the present state has not been sent to the webhook. */
export function isUnsent({ endTime, sent }: AlertRecord): boolean {
  return sent !== (endTime ? 'resolved' : 'firing');
}

/** `told` is the name of `sent` in etcd. */
export function encodeAlert({ condition, startTime, endTime, sent: told }: AlertRecord): string {
  return JSON.stringify({ condition: Condition.toJSON(condition), startTime, endTime, told }, undefined, 2);
}

/** Throws when the value is not an alert. */
export function parseAlert(value: string): AlertRecord {
  const { condition, startTime, endTime, told } = JSON.parse(value) as Record<string, string>;
  const known = Condition.fromJSON(condition);
  const isSentState = told === 'nothing' || told === 'firing' || told === 'resolved';
  if (known.rule === '' || startTime === undefined || !isSentState)
    throw new Error('rule, startTime or told is missing or invalid');
  const record: AlertRecord = { id: alertId(known), condition: known, startTime: new Date(startTime), sent: told };
  return endTime === undefined ? record : { ...record, endTime: new Date(endTime) };
}
