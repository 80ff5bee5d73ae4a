//! The border: what a body comes to becomes a status, and a panic ends here.

use crate::status::nf_status;
use std::{
    any::Any,
    cell::RefCell,
    ffi::c_char,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: nf_status,
    pub(crate) message: String,
}

impl Failure {
    /// The call itself is wrong.
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self { status: nf_status::NF_ERR_ARGUMENT, message: message.into() }
    }
}

pub(crate) type Outcome<T = nf_status> = Result<T, Failure>;

/// Runs the body of an exported function: one that gives an [`Outcome`], or, behind `or value =>`, a plain value, with
/// `value` in place of a panic. A test holds that every exported function is one of these and nothing else.
macro_rules! boundary {
    (or $fallback:expr => $body:expr) => {
        $crate::boundary::plain($fallback, move || $body)
    };
    ($body:block) => {
        $crate::boundary::run(move || -> $crate::boundary::Outcome { $body })
    };
}

pub(crate) fn run(body: impl FnOnce() -> Outcome) -> nf_status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(status)) => status,
        Ok(Err(failure)) => {
            set_last_error(&failure.message);
            failure.status
        }
        Err(panic) => {
            caught(panic);
            nf_status::NF_ERR_PANIC
        }
    }
}

pub(crate) fn plain<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        caught(panic);
        fallback
    })
}

fn caught(panic: Box<dyn Any + Send>) {
    let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    set_last_error(&format!("a mistake in the library: {}", said.unwrap_or("panic")));
    // What was thrown may panic again when it is dropped.
    std::mem::forget(panic);
}

thread_local! {
    /// The bytes of the text with the 0 behind it; none before the first error.
    static LAST: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn set_last_error(message: &str) {
    // While a thread ends there may be no place for it any more.
    let _ = LAST.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            last.clear();
            last.extend(message.bytes().map(|byte| if byte == 0 { b' ' } else { byte }));
            last.push(0);
        }
    });
}

pub(crate) fn last_error() -> *const c_char {
    let text = LAST.try_with(|last| match last.try_borrow() {
        Ok(last) if !last.is_empty() => last.as_ptr().cast(),
        _ => c"".as_ptr(),
    });
    text.unwrap_or(c"".as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn said() -> String {
        // SAFETY: no call between fails.
        unsafe { CStr::from_ptr(last_error()) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn what_a_body_comes_to_is_a_status_and_a_text() {
        assert_eq!(said(), "");
        assert_eq!(boundary!({ Ok(nf_status::NF_EMPTY) }), nf_status::NF_EMPTY);
        assert_eq!(boundary!({ Err(Failure::argument("x is\0null")) }), nf_status::NF_ERR_ARGUMENT);
        assert_eq!(said(), "x is null");
        assert_eq!(boundary!({ Ok(nf_status::NF_OK) }), nf_status::NF_OK);
        assert_eq!(said(), "x is null", "what succeeds leaves it");
        std::thread::spawn(|| assert_eq!(said(), "")).join().unwrap();
    }

    #[test]
    fn no_panic_goes_further() {
        assert_eq!(boundary!({ panic!("of {}", 1) }), nf_status::NF_ERR_PANIC);
        assert_eq!(said(), "a mistake in the library: of 1");
        assert_eq!(boundary!(or 7 => panic!("two")), 7);
        assert_eq!(said(), "a mistake in the library: two");
    }
}
