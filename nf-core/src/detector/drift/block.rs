//! One block of time: what its sessions come to.

use super::basis::Basis;
use crate::{Verdict, decode::Protocol, features::FlatColumn, session::Session};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, fmt, net::IpAddr};

/// Sessions whose deciding p-value is at most this are strange, whatever the detector's budget: so the budget can be changed
/// without learning anew.
const STRANGE: f64 = 0.01;
/// So many strange sessions of one source, and of one destination, count in a block: an attack is of one or to one, however
/// many sessions it has, and neither hides a change nor passes for one.
const STRANGE_OF_A_HOST: u8 = 2;
/// Most sources, and destinations, told apart in a block. Further ones count in nothing that is counted by host.
const MOST_HOSTS: usize = 2048;
/// p-values up to this are counted: beside their mean, whether their low end grows.
const LOW: f64 = 0.1;

/// Figures of a block before those of services and columns.
pub(super) const LOAD: usize = 0;
pub(super) const MEAN_P: usize = 1;
pub(super) const LOW_P: usize = 2;
pub(super) const BREADTH: usize = 3;
/// Where the figures of services begin.
pub(super) const SERVICES: usize = 4;

/// Protocol and port of the end that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Service(u16, u16);

/// Beside the 256 protocols of IP.
const ARP: u16 = 256;

impl Service {
    pub(super) fn of(session: &Session) -> Self {
        let key = session.key();
        let (number, port) = match key.protocol {
            Protocol::Tcp => (6, key.resp.port),
            Protocol::Udp => (17, key.resp.port),
            // Where ports would be stands the identifier.
            Protocol::Icmp => (1, 0),
            Protocol::Icmpv6 => (58, 0),
            Protocol::Arp => (ARP, 0),
            Protocol::Other(number) => (u16::from(number), key.resp.port),
        };
        Self(number, port)
    }
}

impl fmt::Display for Service {
    /// `udp/53`, `arp`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.0 {
            6 => Protocol::Tcp,
            17 => Protocol::Udp,
            1 => Protocol::Icmp,
            58 => Protocol::Icmpv6,
            ARP => Protocol::Arp,
            number => Protocol::Other(number as u8),
        };
        match self.1 {
            0 => write!(f, "{protocol}"),
            port => write!(f, "{protocol}/{port}"),
        }
    }
}

/// What is counted of the sessions that ended in a block of time.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// Sessions that count.
    pub(super) sessions: u64,
    /// Sessions that do not, since their hosts have more than their share.
    pub(super) left_out: u64,
    p_values: f64,
    low: u64,
    sources: Hosts,
    destinations: Hosts,
    /// Sessions of each service, and last of all others.
    services: Vec<u64>,
    columns: Vec<ColumnSums>,
}

/// What is added up of a column.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ColumnSums {
    /// Of the ranks among benign values, 0 to 1.
    ranks: f64,
    /// Of the stored values where there are any.
    pub(super) values: f64,
    /// How many sessions have a value.
    pub(super) present: u64,
}

/// Hosts of one end.
#[derive(Debug, Clone, Default)]
struct Hosts(HashMap<IpAddr, Host>);

/// How many sessions of a host count.
#[derive(Debug, Clone, Copy, Default)]
struct Host {
    sessions: u64,
    strange: u8,
}

impl Hosts {
    /// The counts of a host, `None` where there are too many hosts.
    fn get(&mut self, host: IpAddr) -> Option<&mut Host> {
        if self.0.len() >= MOST_HOSTS && !self.0.contains_key(&host) {
            return None;
        }
        Some(self.0.entry(host).or_default())
    }

    fn strange(&self) -> f64 {
        self.0.values().filter(|host| host.strange > 0).count() as f64 / self.0.len().max(1) as f64
    }
}

/// Sessions of a source, and of a destination, that count in a block: half as many again as any benign one had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Most([u64; 2]);

impl Most {
    /// What benign blocks allow.
    pub(super) fn of<'a>(blocks: impl Iterator<Item = &'a [(&'a Session, &'a Verdict)]>) -> Self {
        let mut most = [1, 1];
        for block in blocks {
            let mut counts: [HashMap<IpAddr, u64>; 2] = Default::default();
            for (session, _) in block {
                let key = session.key();
                for ((count, most), host) in counts.iter_mut().zip(&mut most).zip([key.orig.addr, key.resp.addr]) {
                    let count = count.entry(host).or_default();
                    *count += 1;
                    *most = (*most).max(*count);
                }
            }
        }
        Self(most.map(|most| most + most.div_ceil(2)))
    }
}

impl Block {
    pub(super) fn new(basis: &Basis) -> Self {
        Self::sized(basis.services.len(), basis.columns.len())
    }

    fn sized(services: usize, columns: usize) -> Self {
        Self {
            sessions: 0,
            left_out: 0,
            p_values: 0.0,
            low: 0,
            sources: Hosts::default(),
            destinations: Hosts::default(),
            services: vec![0; services + 1],
            columns: vec![ColumnSums::default(); columns],
        }
    }

    /// Takes in a session that ended in this block.
    pub(super) fn add(&mut self, session: &Session, verdict: &Verdict, basis: &Basis, columns: &[FlatColumn]) {
        let key = session.key();
        let strange = verdict.deciding_p_value() <= STRANGE;
        let mut ends = [self.sources.get(key.orig.addr), self.destinations.get(key.resp.addr)];
        let room = |(end, most): (&Option<&mut Host>, u64)| match end {
            Some(host) => host.sessions < most && (!strange || host.strange < STRANGE_OF_A_HOST),
            None => !strange,
        };
        if !ends.iter().zip(basis.most.0).all(room) {
            self.left_out += 1;
            return;
        }
        for host in ends.iter_mut().flatten() {
            host.sessions += 1;
            host.strange += u8::from(strange);
        }
        self.sessions += 1;
        self.p_values += verdict.p_value;
        self.low += u64::from(verdict.p_value <= LOW);
        let service = Service::of(session);
        let place = basis.services.iter().position(|known| *known == service).unwrap_or(basis.services.len());
        self.services[place] += 1;
        for ((sums, known), (column, value)) in self.columns.iter_mut().zip(&basis.columns).zip(columns) {
            let stored = column.transform.apply(value(session));
            sums.ranks += known.rank(stored);
            if column.missing != Some(stored) {
                sums.values += f64::from(stored);
                sums.present += 1;
            }
        }
    }

    /// The figures that are held against those of benign blocks; `None` where no session of the block counts.
    pub(super) fn figures(&self) -> Option<Vec<f64>> {
        if self.sessions == 0 {
            return None;
        }
        let share = |count: f64| count / self.sessions as f64;
        // The strange sessions of an attack have few sources or few destinations, those of a change have many of both.
        let breadth = self.sources.strange().min(self.destinations.strange());
        let mut figures = vec![(self.sessions as f64).ln_1p(), share(self.p_values), share(self.low as f64), breadth];
        figures.extend(self.services.iter().map(|&count| share(count as f64)));
        figures.extend(self.columns.iter().map(|sums| share(sums.ranks)));
        Some(figures)
    }

    pub(super) fn columns(&self) -> &[ColumnSums] {
        &self.columns
    }
}

impl ColumnSums {
    pub(super) fn add(&mut self, other: Self) {
        self.ranks += other.ranks;
        self.values += other.values;
        self.present += other.present;
    }

    /// The mean stored value of the sessions that have one.
    pub(super) fn mean(self) -> Option<f64> {
        (self.present > 0).then(|| self.values / self.present as f64)
    }
}
