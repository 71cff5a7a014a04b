import { createHash } from 'node:crypto';
import { Condition } from '../../proto/gen/logfleet/v1/alert.ts';

/** What the webhook was last told of an alert. */
export type Told = 'nothing' | 'firing' | 'resolved';

/** An alert as etcd keeps it, below `alerts/`, so that the next one elected goes on where this one ended. */
export interface AlertRecord {
  id: string;
  condition: Condition;
  startTime: Date;
  /** When it was over; absent while it fires. */
  endTime?: Date;
  told: Told;
}

/** The same for the same rule, agent and entry. */
export function alertId({ rule, agent, entry }: Condition): string {
  return createHash('sha256').update(`${rule}\n${agent}\n${entry}`).digest('hex').slice(0, 16);
}

/** Whether the webhook is to be told. What it never knew of and is over, it need not know. */
export function isUntold({ endTime, told }: AlertRecord): boolean {
  return told !== (endTime ? 'resolved' : 'firing');
}

export function encodeAlert({ condition, startTime, endTime, told }: AlertRecord): string {
  return JSON.stringify({ condition: Condition.toJSON(condition), startTime, endTime, told }, undefined, 2);
}

/** Throws for what makes no sense. */
export function parseAlert(value: string): AlertRecord {
  const { condition, startTime, endTime, told } = JSON.parse(value) as Record<string, string>;
  const known = Condition.fromJSON(condition);
  const isTold = told === 'nothing' || told === 'firing' || told === 'resolved';
  if (known.rule === '' || startTime === undefined || !isTold) throw new Error('no rule, no time, or told what?');
  const record: AlertRecord = { id: alertId(known), condition: known, startTime: new Date(startTime), told };
  return endTime === undefined ? record : { ...record, endTime: new Date(endTime) };
}
