//! What evidence, grouping and explaining take, measured in rounds.

use nf_core::{
    Detector, Result, Session, Verdict,
    evaluate::{Costs, Round},
    incident::{IncidentConfig, incidents},
};
use nf_examples::Bar;
use nf_tests::cpu_time;
use std::time::{Duration, Instant};

/// Rounds in which costs are measured at a budget: the fewest, and the most; and how long more of them are added.
const ROUNDS: (usize, usize) = (6, 100);
const MEASURED: Duration = Duration::from_secs(25);
/// Stretches of a capture that are judged with and without evidence in turn.
const STRETCHES: usize = 8;

/// What evidence, grouping and explaining take at a detector's budget.
pub(super) fn costs(detector: &Detector, sessions: &[Vec<Session>], bar: &Bar) -> Result<Option<Costs>> {
    // On one thread, so that the times compare.
    let detector = detector.clone().with_threads(1);
    let verdicts = sessions.iter().map(|sessions| detector.judge_all(sessions)).collect::<Result<Vec<_>>>()?;
    let (mut rounds, start) = (Vec::new(), Instant::now());
    while rounds.len() < ROUNDS.1 && (rounds.len() < ROUNDS.0 || start.elapsed() < MEASURED) {
        bar.set(None, || format!("{} rounds", rounds.len()));
        let mut round = Round::default();
        for (sessions, verdicts) in sessions.iter().zip(&verdicts) {
            measure(&detector, sessions, verdicts, rounds.len(), &mut round)?;
        }
        rounds.push(round);
    }
    Ok(Costs::of(&rounds))
}

/// Adds to a round what some sessions take. They are judged stretch by stretch, by themselves and with evidence in turn, so that both
/// meet the machine in the same state; `turn` says which comes first. A stretch has hardly less evidence than all of it: that looks
/// back a minute.
fn measure(
    detector: &Detector,
    sessions: &[Session],
    verdicts: &[Verdict],
    turn: usize,
    round: &mut Round,
) -> Result<()> {
    let rules = IncidentConfig::default();
    for (i, stretch) in sessions.chunks(sessions.len().div_ceil(STRETCHES).max(1)).enumerate() {
        let mut alone = || timed(&mut round.alone, || detector.judge_batch(stretch).map(drop));
        let mut judging = || timed(&mut round.judging, || detector.judge_all(stretch).map(drop));
        if (turn + i).is_multiple_of(2) {
            alone()?;
            judging()?;
        } else {
            judging()?;
            alone()?;
        }
    }
    let found = timed(&mut round.grouping, || incidents(sessions, verdicts, &rules))?;
    timed(&mut round.explaining, || found.iter().try_for_each(|incident| incident.explain(detector).map(drop)))
}

/// Adds the processor time that some work takes.
fn timed<T>(spent: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = cpu_time();
    let done = work();
    *spent += cpu_time() - start;
    done
}
