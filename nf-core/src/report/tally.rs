//! Which hosts and services alerts have to do with.

use crate::{
    incident::{Incident, ServicePort},
    page::table,
    session::Session,
};
use std::{collections::HashMap, hash::Hash, net::IpAddr};

/// Most hosts, and most services, that are told apart.
const MOST: usize = 4096;
/// Rows of a table.
const ROWS: usize = 15;

/// How many alerts there were from and to each host, and at each service.
#[derive(Debug, Default)]
pub(super) struct Tally {
    hosts: HashMap<IpAddr, [u64; 2]>,
    services: HashMap<ServicePort, [u64; 1]>,
    /// Alerts of hosts and services beyond those told apart.
    beyond: [u64; 2],
}

impl Tally {
    /// Counts a session that alerts.
    pub(super) fn add(&mut self, session: &Session) {
        let key = session.key();
        for (way, host) in [key.orig.addr, key.resp.addr].into_iter().enumerate() {
            match entry(&mut self.hosts, host) {
                Some(counts) => counts[way] += 1,
                None => self.beyond[0] += 1,
            }
        }
        match entry(&mut self.services, ServicePort::of(key)) {
            Some([count]) => *count += 1,
            None => self.beyond[1] += 1,
        }
    }

    /// The hosts and services with most alerts, and in how many incidents they are listed.
    pub(super) fn tables(&self, incidents: &[&Incident]) -> String {
        if self.hosts.is_empty() {
            return String::new();
        }
        let hosts = most(&self.hosts).into_iter().map(|(host, [from, to])| {
            let listed = |incident: &&&Incident| {
                incident.sources.first.contains(&host) || incident.destinations.first.contains(&host)
            };
            let count = incidents.iter().filter(listed).count();
            vec![host.to_string(), from.to_string(), to.to_string(), count.to_string()]
        });
        let services = most(&self.services).into_iter().map(|(service, [count])| {
            let listed = incidents.iter().filter(|incident| incident.services.first.contains(&service)).count();
            vec![service.to_string(), count.to_string(), listed.to_string()]
        });
        let caption = |name: &str, all: usize, beyond: u64| {
            let more =
                if beyond > 0 { format!("; {beyond} alerts of others are not told apart") } else { String::new() };
            format!("{} of {all} {name}{more}", all.min(ROWS))
        };
        let hosts = table(
            &caption("hosts", self.hosts.len(), self.beyond[0]),
            &["host", "alerts from it", "alerts to it", "incidents"],
            &[0],
            hosts,
        );
        let services = table(
            &caption("services", self.services.len(), self.beyond[1]),
            &["service", "alerts", "incidents"],
            &[0],
            services,
        );
        format!("<div class=\"two\"><div>{hosts}</div><div>{services}</div></div>\n")
    }
}

/// The counts of a thing, where there is room for them.
fn entry<K: Eq + Hash, const N: usize>(counts: &mut HashMap<K, [u64; N]>, key: K) -> Option<&mut [u64; N]> {
    if counts.len() >= MOST && !counts.contains_key(&key) {
        return None;
    }
    Some(counts.entry(key).or_insert([0; N]))
}

/// Those with the highest counts, in an order that does not depend on the map.
fn most<K: Copy + Eq + Hash + Ord, const N: usize>(counts: &HashMap<K, [u64; N]>) -> Vec<(K, [u64; N])> {
    let mut all: Vec<(K, [u64; N])> = counts.iter().map(|(key, counts)| (*key, *counts)).collect();
    all.sort_by_key(|(key, counts)| (std::cmp::Reverse(counts.iter().sum::<u64>()), *key));
    all.truncate(ROWS);
    all
}
