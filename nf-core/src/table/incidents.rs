//! A table of incidents.

use super::{Table, Values};
use crate::incident::Incident;

impl Table {
    /// A row an incident: what happened in words (`summary`), from its first session's start to its last packet, how many sessions
    /// alerted, how many different `sources`, `destinations`, `services` and `domains` they had (as far as these are told apart), and
    /// score, p-value and head of the strangest.
    pub fn of_incidents(incidents: &[Incident]) -> Self {
        let mut table = Self::default();
        let count = |of: &dyn Fn(&Incident) -> u64| Values::Count(incidents.iter().map(|i| Some(of(i))).collect());
        let text = |of: &dyn Fn(&Incident) -> String| Values::Text(incidents.iter().map(|i| Some(of(i))).collect());
        let time = |of: &dyn Fn(&Incident) -> i64| Values::Time(incidents.iter().map(of).collect());
        table.add("incident", count(&|incident| incident.id));
        table.add("first", time(&|incident| incident.first.as_nanos()));
        table.add("last", time(&|incident| incident.last.as_nanos()));
        table.add("opened", time(&|incident| incident.opened.as_nanos()));
        table.add("updated", time(&|incident| incident.updated.as_nanos()));
        table.add("centre", text(&|incident| incident.centre.to_string()));
        table.add("kind", text(&|incident| incident.kind.to_string()));
        table.add("summary", text(&Incident::summary));
        table.add("sessions", count(&|incident| incident.sessions));
        table.add("sources", count(&|incident| incident.sources.count as u64));
        table.add("destinations", count(&|incident| incident.destinations.count as u64));
        table.add("services", count(&|incident| incident.services.count as u64));
        table.add("domains", count(&|incident| incident.domains.count as u64));
        table.add("score", Values::Stored(incidents.iter().map(|incident| incident.strangest.score).collect()));
        table.add("p_value", Values::Quantity(incidents.iter().map(|incident| Some(incident.p_value())).collect()));
        let head = |incident: &Incident| incident.heads.first().map(|(head, _)| head.to_string());
        table.add("head", Values::Text(incidents.iter().map(head).collect()));
        table
    }
}
