//! The packets of captures as a table.

use crate::{error::raised, source::Source, table::Table, watch::Signals};
use nf_core::{
    decode::{Decoder, SkipCounts},
    table::PacketTable,
};
use pyo3::prelude::*;

/// Reads the packets of a capture; see ``neural_filter.read_packets``.
#[pyfunction]
#[pyo3(signature = (source, tunnels=Decoder::DEFAULT_TUNNELS))]
pub(crate) fn read_packets(py: Python<'_>, source: Source, tunnels: u8) -> PyResult<Table> {
    py.detach(|| {
        let mut capture = source.open().map_err(raised)?;
        let mut decoder = Decoder::new().with_tunnels(tunnels);
        let (mut packets, mut skipped, mut signals) = (PacketTable::default(), SkipCounts::new(), Signals::new());
        let mut number = 0;
        while let Some(frame) = capture.next_frame().map_err(raised)? {
            number += 1;
            match decoder.decode(&frame) {
                Ok(packet) => packets.push(&packet, number),
                Err(skip) => skipped.add(skip),
            }
            signals.check()?;
        }
        let skipped = skipped.iter().map(|(reason, count)| (reason.to_string(), count)).collect();
        Table::new(packets.finish(), skipped)
    })
}
