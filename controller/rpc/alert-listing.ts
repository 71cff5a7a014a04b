import { Alert } from '../../proto/gen/logfleet/v1/alert.ts';
import type { ListAlertsRequest, ListAlertsResponse } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import type { AlertRecord } from '../alerts/alert-record.ts';
import type { AlertRepository } from '../alerts/alert-repository.ts';
import { listing } from './listing.ts';

/** FleetService.ListAlerts */
export function listAlerts(request: ListAlertsRequest, alerts: AlertRepository): ListAlertsResponse {
  const { page: pageOf } = listing({ ...request, labelSelector: '', filter: 'alerts' });
  const items = alerts
    .all()
    .map((record) => ({ name: sortName(record), alert: toAlert(record) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const { page, nextPageToken } = pageOf(items, ({ alert }) => Alert.encode(alert).finish().length);
  return { alerts: page.map(({ alert }) => alert), nextPageToken };
}

function sortName({ condition: { rule, agent, entry } }: AlertRecord): string {
  return `${rule} ${agent} ${entry}`;
}

function toAlert({ id, condition, startTime, endTime, sent }: AlertRecord): Alert {
  const state = endTime ? 'STATE_RESOLVED' : 'STATE_FIRING';
  return Alert.create({ id, condition, state, startTime, endTime, delivered: sent === 'firing' && !endTime });
}
