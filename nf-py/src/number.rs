//! Whole numbers that Python gives for parameters.

use nf_core::Timestamp;
use pyo3::{
    exceptions::{PyOverflowError, PyValueError},
    prelude::*,
};
use std::ops::RangeInclusive;

/// A whole number of any size: the message that refuses it names the parameter and its range.
#[derive(Clone, Copy)]
pub(crate) struct Whole(i128);

impl<'py> FromPyObject<'_, 'py> for Whole {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let large = |error: &PyErr| error.is_instance_of::<PyOverflowError>(given.py());
        match given.extract::<i64>() {
            Err(error) if large(&error) => match given.extract::<i128>() {
                Err(error) if large(&error) => Ok(Self(if given.lt(0)? { i128::MIN } else { i128::MAX })),
                number => number.map(Self),
            },
            number => number.map(|number| Self(number.into())),
        }
    }
}

impl<T: Into<i128>> From<T> for Whole {
    fn from(number: T) -> Self {
        Self(number.into())
    }
}

impl Whole {
    /// The number, where it is in this range.
    pub(crate) fn within<T: TryFrom<i128>>(self, name: &str, range: RangeInclusive<i128>) -> PyResult<T> {
        let number = T::try_from(self.0).ok().filter(|_| range.contains(&self.0));
        let (least, most) = range.into_inner();
        number.ok_or_else(|| {
            let allowed = match self.0 < least {
                _ if most < u32::MAX.into() => format!("{least} to {most}"),
                true => format!("at least {least}"),
                false => format!("at most {most}"),
            };
            PyValueError::new_err(format!("{name} is {}, it must be {allowed}", self.0))
        })
    }
}

/// Nanoseconds since the epoch.
pub(crate) fn time(name: &str, given: Whole) -> PyResult<Timestamp> {
    given.within(name, i64::MIN.into()..=i64::MAX.into()).map(Timestamp::from_nanos)
}

/// How many threads, 0 for one a core.
pub(crate) fn threads(given: Option<Whole>) -> PyResult<Option<usize>> {
    const MOST: i128 = u16::MAX as i128;
    given.map(|threads| threads.within("threads", 0..=MOST)).transpose()
}

/// Where random numbers start.
pub(crate) fn seed(given: Option<Whole>) -> PyResult<Option<u64>> {
    given.map(|seed| seed.within("random_state", 0..=u64::MAX.into())).transpose()
}
