use super::*;

#[test]
fn a_number_beyond_the_devices_says_how_many_there_are() {
    let of = |found: &[Device]| listed(crate::Device::Cuda(1), found, 1, "NVIDIA driver").unwrap_err();
    assert_eq!(of(&[]).to_string(), "device cuda:1 is not there: no NVIDIA driver was found");
    assert_eq!(of(&[cpu()]).to_string(), "device cuda:1 is not there: this machine has 1, counted from 0");
    assert_eq!(of(&[]).kind(), ErrorKind::Unsupported);
    assert!(listed(crate::Device::Cuda(1), &[cpu(), cpu()], 1, "").is_ok());
}

/// What a network computes on other devices than the CPU, where there is one. Kernels of this crate would panic there.
#[cfg(any(feature = "backend-ndarray", feature = "cuda", feature = "wgpu"))]
mod elsewhere {
    use super::super::testing::others;
    use crate::{
        Device, Model, Result,
        features::Rows,
        model::{
            Attention, Autoencoder, AutoencoderParams, AutoencoderScore, Objective, Transformer, TransformerParams,
            TransformerScore, Watch,
            neural::{
                testing::{schema, waves},
                transformer::testing::{ATTENTIONS, OBJECTIVES},
            },
        },
    };
    use std::ops::ControlFlow;

    fn transformers() -> impl Iterator<Item = TransformerParams> {
        let reconstruct = ATTENTIONS.map(|attention| (Objective::Reconstruct, attention));
        reconstruct.into_iter().chain(OBJECTIVES).map(|(objective, attention): (Objective, Attention)| {
            let params = Transformer::params().d_model(16).heads(2).d_ff(24).layers(1).epochs(3);
            params.objective(objective).attention(attention).max_steps(16)
        })
    }

    fn autoencoders() -> impl Iterator<Item = AutoencoderParams> {
        [0.0, 0.1]
            .into_iter()
            .map(|variational| Autoencoder::params().hidden([16]).latent(3).epochs(3).variational(variational))
    }

    /// Sequences, and rows of one step.
    fn rows() -> [Rows; 2] {
        let flat = (0..12 * 300).map(|i| ((i / 12 * (i % 3 + 1)) as f32).sin() + 0.1 * (i as f32).cos()).collect();
        [waves(150, 16, 16, 1, false), Rows::flat(schema(12), flat).unwrap()]
    }

    fn close(found: &[f32], expected: &[f32], what: &str) {
        assert_eq!(found.len(), expected.len());
        for (i, (a, b)) in found.iter().zip(expected).enumerate() {
            assert!((a - b).abs() < 1e-4, "{what}, number {i}: {a} {b}");
        }
    }

    fn agrees(model: &dyn Model, rows: &Rows, what: &str) {
        for device in others() {
            let what = format!("{what} on {device}");
            let moved = model.on_device(device).unwrap().expect("networks know of devices");
            close(&moved.score(rows).unwrap(), &model.score(rows).unwrap(), &what);
            let expected = |model: &dyn Model| model.expected(rows).unwrap().expect("networks expect something");
            close(&expected(&*moved), &expected(model), &what);
            // Nothing but the place is another.
            assert_eq!(moved.to_bytes(), model.to_bytes());
            let back = moved.on_device(Device::Cpu).unwrap().expect("networks know of devices");
            assert_eq!(back.score(rows).unwrap(), model.score(rows).unwrap());
        }
    }

    #[test]
    fn scores_are_those_of_the_cpu() {
        let [sequences, flat] = rows();
        for params in transformers() {
            for score in [TransformerScore::Error, TransformerScore::Density] {
                let model = params.clone().epochs(1).score(score).fit(&sequences).unwrap();
                agrees(&model, &sequences, &format!("{:?}, {:?}, {score:?}", params.objective, params.attention));
            }
        }
        for params in autoencoders() {
            for score in [AutoencoderScore::Error, AutoencoderScore::Density] {
                let model = params.clone().score(score).fit(&flat).unwrap();
                agrees(&model, &flat, &format!("variational {}, {score:?}", params.variational));
            }
        }
    }

    /// The held-out loss after each epoch.
    fn losses(fit: impl Fn(&mut Watch) -> Result<()>) -> Vec<f32> {
        let mut losses = Vec::new();
        fit(&mut |progress| {
            losses.resize(progress.epoch as usize, f32::NAN);
            if let (Some(last), Some(loss)) = (losses.last_mut(), progress.held_out_loss) {
                *last = loss;
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        losses
    }

    fn falls_as_on_the_cpu(losses: impl Fn(Device) -> Vec<f32>, what: &str) {
        let here = losses(Device::Cpu);
        for device in others() {
            let there = losses(device);
            assert!(there.len() == 3 && there[2] < there[0], "{what} on {device}: {there:?}");
            for (a, b) in there.iter().zip(&here) {
                assert!((a - b).abs() < 1e-3 * b, "{what} on {device}: {there:?} {here:?}");
            }
        }
    }

    #[test]
    fn training_goes_as_on_the_cpu() {
        let [sequences, flat] = rows();
        for params in transformers() {
            let fit = |device| losses(|watch| params.clone().device(device).fit_with(&sequences, watch).map(drop));
            falls_as_on_the_cpu(fit, &format!("{:?}, {:?}", params.objective, params.attention));
        }
        for params in autoencoders() {
            let fit = |device| losses(|watch| params.clone().device(device).fit_with(&flat, watch).map(drop));
            falls_as_on_the_cpu(fit, &format!("variational {}", params.variational));
        }
    }

    #[test]
    fn a_model_judges_where_it_was_trained_and_weights_are_taken_there() {
        let [sequences, flat] = rows();
        for device in others() {
            let fit = |seed| autoencoders().next().unwrap().seed(seed).device(device).fit(&flat).unwrap();
            let (a, b) = (fit(0), fit(1));
            let moved = a.with_weights(&b.weights()).unwrap();
            assert_eq!(moved.expected(&flat).unwrap(), b.expected(&flat).unwrap());
            let read = Autoencoder::from_bytes(b.schema().clone(), &b.to_bytes()).unwrap();
            close(&b.score(&flat).unwrap(), &read.score(&flat).unwrap(), &device.to_string());

            let fit = |seed| transformers().next().unwrap().seed(seed).device(device).fit(&sequences).unwrap();
            let (a, b) = (fit(0), fit(1));
            let moved = a.with_weights(&b.weights()).unwrap();
            assert_eq!(moved.expected(&sequences).unwrap(), b.expected(&sequences).unwrap());
            let read = Transformer::from_bytes(b.schema().clone(), &b.to_bytes()).unwrap();
            close(&b.score(&sequences).unwrap(), &read.score(&sequences).unwrap(), &device.to_string());
        }
    }
}
