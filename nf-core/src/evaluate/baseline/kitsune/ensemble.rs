//! The ensemble: an autoencoder for each group of columns, and one over their errors.

use super::{autoencoder::Autoencoder, clusters::Correlations, streams::COLUMNS};
use crate::model::Random;

/// Most columns of one autoencoder, as in the paper's experiments.
const MOST_COLUMNS: usize = 10;
/// Packets whose columns are watched before these are grouped, as in the paper's experiments.
const WATCHED: usize = 5000;

/// The networks, learning from one packet after another.
#[derive(Debug)]
pub(super) struct Learner {
    random: Random,
    watched: Vec<[f64; COLUMNS]>,
    ensemble: Option<Ensemble>,
}

impl Learner {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), watched: Vec::new(), ensemble: None }
    }

    /// Takes in the columns of the next packet.
    pub(super) fn learn(&mut self, columns: &[f64; COLUMNS]) {
        match &mut self.ensemble {
            Some(ensemble) => ensemble.learn(columns),
            None => {
                self.watched.push(*columns);
                if self.watched.len() >= WATCHED {
                    self.group();
                }
            }
        }
    }

    /// Groups the columns by what was watched, and learns from that too.
    fn group(&mut self) {
        let watched = std::mem::take(&mut self.watched);
        let groups = Correlations::of(watched.iter().map(|row| row.as_slice()), COLUMNS).groups(MOST_COLUMNS);
        let mut ensemble = Ensemble::new(groups, &self.random);
        watched.iter().for_each(|columns| ensemble.learn(columns));
        self.ensemble = Some(ensemble);
    }

    /// The trained networks; `None` with fewer than two packets.
    pub(super) fn finish(mut self) -> Option<Ensemble> {
        if self.ensemble.is_none() && self.watched.len() >= 2 {
            self.group();
        }
        self.ensemble
    }
}

/// The trained networks.
#[derive(Debug)]
pub(super) struct Ensemble {
    members: Vec<(Vec<usize>, Autoencoder)>,
    output: Autoencoder,
}

impl Ensemble {
    fn new(groups: Vec<Vec<usize>>, random: &Random) -> Self {
        let output = Autoencoder::new(groups.len(), random.stream(groups.len() as u64));
        let member = |(i, group): (usize, Vec<usize>)| {
            let network = Autoencoder::new(group.len(), random.stream(i as u64));
            (group, network)
        };
        Self { members: groups.into_iter().enumerate().map(member).collect(), output }
    }

    fn learn(&mut self, columns: &[f64; COLUMNS]) {
        let errors: Vec<f64> =
            self.members.iter_mut().map(|(group, network)| network.learn(&select(columns, group))).collect();
        self.output.learn(&errors);
    }

    /// How strange a packet is: the error of the network that watches the others' errors.
    pub(super) fn error(&self, columns: &[f64; COLUMNS]) -> f64 {
        let errors: Vec<f64> =
            self.members.iter().map(|(group, network)| network.error(&select(columns, group))).collect();
        self.output.error(&errors)
    }
}

fn select(columns: &[f64; COLUMNS], group: &[usize]) -> Vec<f64> {
    group.iter().map(|&column| columns[column]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(i: usize) -> [f64; COLUMNS] {
        std::array::from_fn(|column| (i as f64 * (0.1 + (column / 10) as f64)).sin() * column as f64)
    }

    #[test]
    fn groups_once_enough_was_watched_and_finds_what_does_not_fit() {
        let mut learner = Learner::new(3);
        (0..WATCHED + 3000).for_each(|i| learner.learn(&packet(i)));
        let ensemble = learner.finish().unwrap();
        let sizes: Vec<usize> = ensemble.members.iter().map(|(group, _)| group.len()).collect();
        assert!(sizes.iter().all(|&size| size <= MOST_COLUMNS) && sizes.iter().sum::<usize>() == COLUMNS, "{sizes:?}");
        let usual = (0..500).map(|i| ensemble.error(&packet(i))).fold(0.0, f64::max);
        let mut strange = packet(7);
        strange[50..60].fill(300.0);
        assert!(ensemble.error(&strange) > usual, "{} and {usual}", ensemble.error(&strange));
    }

    #[test]
    fn two_packets_are_the_least() {
        let mut learner = Learner::new(3);
        learner.learn(&packet(1));
        assert!(learner.finish().is_none());
        let mut learner = Learner::new(3);
        (1..3).for_each(|i| learner.learn(&packet(i)));
        assert!(learner.finish().unwrap().error(&packet(1)).is_finite());
    }
}
