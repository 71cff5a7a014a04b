import { Alert } from '../../proto/gen/logfleet/v1/alert.ts';
import type { ListAlertsRequest, ListAlertsResponse } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import type { AlertBook } from '../alerts/alert-book.ts';
import type { AlertRecord } from '../alerts/alert-record.ts';
import { listing } from './listing.ts';

/** FleetService.ListAlerts */
export function listAlerts(request: ListAlertsRequest, book: AlertBook): ListAlertsResponse {
  const { page: pageOf } = listing({ ...request, labelSelector: '', filter: 'alerts' });
  const items = book
    .all()
    .map((record) => ({ name: nameOf(record), alert: alertOf(record) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const { page, nextPageToken } = pageOf(items, ({ alert }) => Alert.encode(alert).finish().length);
  return { alerts: page.map(({ alert }) => alert), nextPageToken };
}

function nameOf({ condition: { rule, agent, entry } }: AlertRecord): string {
  return `${rule} ${agent} ${entry}`;
}

function alertOf({ id, condition, startTime, endTime, told }: AlertRecord): Alert {
  const state = endTime ? 'STATE_RESOLVED' : 'STATE_FIRING';
  return Alert.create({ id, condition, state, startTime, endTime, delivered: told === 'firing' && !endTime });
}
