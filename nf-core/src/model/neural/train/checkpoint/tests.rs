use super::*;
use crate::model::{
    Model, Objective, Transformer, TransformerParams,
    neural::{Autoencoder, testing::*},
};
use std::{
    env,
    ops::ControlFlow,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Dropout, masks, several parts an update and an early stop: all that a training could forget.
fn params(path: Option<PathBuf>) -> TransformerParams {
    let mut training = Transformer::params().training;
    (training.epochs, training.batch, training.micro_batch, training.patience) = (5, 128, 64, 2);
    training.checkpoint = path.map(|path| Checkpoint::new(path).every(3));
    let params =
        Transformer::params().d_model(8).heads(2).d_ff(8).layers(1).objective(Objective::Masked { ratio: 0.3 });
    params.training(training)
}

fn rows() -> Rows {
    waves(90, 16, 16, 1, false)
}

fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("training");
    (folder, path)
}

#[test]
fn a_training_that_was_stopped_goes_on_as_if_it_had_not_been() {
    let whole = params(None).fit(&rows()).unwrap().to_bytes();
    let (_folder, path) = file();
    let mut stops = 0;
    let bytes = loop {
        // Each attempt ends after eleven calls: amid an update, behind one, while the held-out loss is computed.
        let mut calls = 0;
        let fitted = params(Some(path.clone())).fit_with(&rows(), &mut |_| {
            calls += 1;
            if calls == 11 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match fitted {
            Ok(model) => break model.to_bytes(),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Canceled),
        }
        stops += 1;
        assert!(stops < 200 && path.exists());
    };
    assert!(stops > 5, "{stops}");
    assert!(bytes == whole);
    assert!(!path.exists(), "a training that is over leaves no file");
}

#[test]
fn progress_goes_on_from_where_it_was() {
    let (_folder, path) = file();
    let fit = |most: u64| {
        let mut seen = Vec::new();
        let fitted = params(Some(path.clone())).fit_with(&rows(), &mut |progress| {
            seen.push(progress.clone());
            if progress.updates == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        (fitted.map(|_| ()), seen)
    };
    let (stopped, before) = fit(13);
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Canceled);
    let (ended, after) = fit(u64::MAX);
    ended.unwrap();
    assert_eq!(before.last(), after.first());
    let share = after.last().unwrap().real_share().unwrap();
    assert!((0.8..=1.0).contains(&share), "{share}");
}

const CHILD: &str = "NF_TEST_CHECKPOINT";

fn longer(path: PathBuf) -> TransformerParams {
    params(Some(path)).epochs(40)
}

/// Not a test of its own: what the test below runs in a process to be killed.
#[test]
fn trains_in_a_process_of_its_own() {
    let Some(path) = env::var_os(CHILD) else { return };
    let slowly = &mut |_: &Progress| {
        thread::sleep(Duration::from_millis(5));
        ControlFlow::Continue(())
    };
    longer(path.into()).fit_with(&rows(), slowly).unwrap();
}

#[test]
fn a_training_whose_process_was_killed_goes_on_as_if_it_had_not_been() {
    let (_folder, path) = file();
    let mut kept = None;
    for _ in 0..3 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "model::neural::train::checkpoint::tests::trains_in_a_process_of_its_own"])
            .env(CHILD, &path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while fs::read(&path).ok() == kept || !path.exists() {
            assert!(start.elapsed() < Duration::from_secs(60), "nothing was written");
            thread::sleep(Duration::from_millis(3));
        }
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
        kept = fs::read(&path).ok();
    }
    let resumed = longer(path.clone()).fit(&rows()).unwrap().to_bytes();
    assert!(resumed == params(None).epochs(40).fit(&rows()).unwrap().to_bytes());
}

/// A file of a training that was stopped after five updates.
fn stopped() -> (TempDir, PathBuf) {
    let (folder, path) = file();
    let stop = &mut |progress: &Progress| match progress.updates {
        5 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    params(Some(path.clone())).fit_with(&rows(), stop).unwrap_err();
    (folder, path)
}

#[test]
fn a_checkpoint_of_another_training_is_refused() {
    let (_folder, path) = stopped();
    let refuse = |change: &dyn Fn(TransformerParams) -> TransformerParams| {
        let error = change(params(Some(path.clone()))).fit(&rows()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    };
    let message = |what: &str| format!("{}: the checkpoint was made with {what}; give another path", path.display());
    assert_eq!(refuse(&|p| p.d_ff(16)), message("d_ff 8, here it is 16"));
    assert_eq!(refuse(&|p| p.epochs(7)), message("training.epochs 5, here it is 7"));
    let next = message("objective {\"Masked\":{\"ratio\":0.30000001192092896}}, here it is \"NextPacket\"");
    assert_eq!(refuse(&|p| p.objective(Objective::NextPacket)), next);

    let error = params(Some(path.clone())).fit(&waves(90, 16, 16, 2, false)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains("the checkpoint was made from 90 rows (columns "), "{error}");

    let mut other = Autoencoder::params();
    other.training.checkpoint = Some(Checkpoint::new(&path));
    let flat = Rows::flat(schema(3), vec![0.5; 30]).unwrap();
    let error = other.fit(&flat).unwrap_err();
    assert_eq!(error.to_string(), message("model transformer, here it is autoencoder"));
    params(Some(path)).fit(&rows()).unwrap();
}

#[test]
fn files_that_are_no_checkpoint_are_refused() {
    let (_folder, path) = stopped();
    let whole = fs::read(&path).unwrap();
    let refuse = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = params(Some(path.clone())).fit(&rows()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ModelFile);
        error.to_string()
    };
    assert!(refuse(b"").ends_with("not the checkpoint of a training"));
    assert!(refuse(b"NFMODEL\xb5").ends_with("not the checkpoint of a training"));
    for cut in (8..whole.len()).step_by(whole.len() / 50) {
        let text = refuse(&whole[..cut]);
        assert!(text.contains("cut off"), "cut at {cut}: {text}");
    }
    let mut flipped = whole.clone();
    flipped[40] ^= 1;
    assert!(refuse(&flipped).ends_with("the checkpoint is corrupt or cut off: its checksum is wrong"));
    let seal = |mut bytes: Vec<u8>| {
        let end = bytes.len() - 4;
        let checksum = crc32fast::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    };
    let mut newer = whole.clone();
    newer[8] = 2;
    assert!(refuse(&seal(newer)).ends_with("the checkpoint has format 2, this build reads 1"));
    let mut longer = whole.clone();
    longer.extend([0; 4]);
    assert!(refuse(&seal(longer)).contains("left over"));

    let (folder, _) = file();
    let error = params(Some(folder.path().join("missing/training"))).fit(&rows()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    let mut every = params(Some(path));
    every.training.checkpoint = every.training.checkpoint.map(|checkpoint| checkpoint.every(0));
    assert_eq!(every.check().unwrap_err().to_string(), "checkpoint.every is 0, it must be at least 1");
}

#[test]
fn a_training_that_diverged_goes_on_from_the_last_good_state_with_a_smaller_rate() {
    let (_folder, path) = file();
    let with = |rate: f64| {
        let mut params = params(Some(path.clone()));
        params.training.learning_rate = rate;
        params.fit(&rows())
    };
    let error = with(1e30).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Training);
    let text = error.to_string();
    let advice = format!(
        "a learning_rate below 1e30 may help, and goes on from the last good state, kept in {}",
        path.display()
    );
    assert!(text.contains(" in epoch 1, step ") && text.ends_with(&advice), "{text}");
    // It diverged before anything was kept but the start.
    let model = with(1e-3).unwrap();
    let (fresh, _) = (params(None).fit(&rows()).unwrap(), path);
    assert_eq!(model.score(&rows()).unwrap(), fresh.score(&rows()).unwrap());
}
