//! What comes in and goes out beside handles: text, arrays, structs that say how large they are, out parameters.

use crate::boundary::{Failure, Outcome};
use std::{
    ffi::{CStr, CString, c_char},
    mem::{MaybeUninit, size_of},
    path::Path,
};

/// A struct of the header that starts with its `struct_size`, so that it can grow at its end.
///
/// # Safety
/// `repr(C)`, its first field a `usize`, and any bytes are one of its values.
pub(crate) unsafe trait SelfSized: Copy {
    const NAME: &'static str;
    /// How large it was in the first version of this interface.
    const FIRST: usize;
}

/// Declares a struct as one that says how large it is, with its size in the first version, which stays when it grows.
macro_rules! sized {
    ($type:ident, $first:literal) => {
        // SAFETY: `repr(C)`, and all fields are numbers and pointers.
        unsafe impl $crate::argument::SelfSized for $type {
            const NAME: &'static str = stringify!($type);
            const FIRST: usize = $first;
        }
        const _: () = assert!(std::mem::offset_of!($type, struct_size) == 0 && size_of::<$type>() >= $first);
    };
}

/// A struct that C gives, by value; what an older one has not is 0.
macro_rules! given {
    ($pointer:expr, $name:literal) => {{
        // SAFETY: C gives null or a struct of as many bytes as it says.
        unsafe { $crate::argument::given($pointer, $name) }
    }};
}

/// A place for a struct that C wants filled.
macro_rules! place {
    ($pointer:ident) => {{
        // SAFETY: C gives null or a struct of as many bytes as it says, which it does not use meanwhile.
        unsafe { $crate::argument::place($pointer, stringify!($pointer)) }
    }};
}

/// Places for structs that C wants filled, one behind the other.
macro_rules! places {
    ($pointer:ident, $count:expr) => {{
        // SAFETY: C gives null or so many structs, which it does not use meanwhile.
        unsafe { $crate::argument::places($pointer, $count, stringify!($pointer)) }
    }};
}

/// A place for a plain value: a number, or the pointer of a handle or a text.
macro_rules! out {
    ($pointer:ident) => {{
        // SAFETY: C gives null or a place for such a value, which it does not use meanwhile.
        unsafe { $crate::argument::out($pointer, stringify!($pointer)) }
    }};
}

/// A text that C gives.
macro_rules! text {
    ($pointer:expr, $name:expr) => {{
        // SAFETY: C gives null or a text that ends with a 0.
        unsafe { $crate::argument::text($pointer, $name) }
    }};
}

/// The path that a text is.
macro_rules! path {
    ($pointer:ident) => {{
        // SAFETY: C gives null or a text that ends with a 0.
        unsafe { $crate::argument::path($pointer, stringify!($pointer)) }
    }};
}

/// An array that C gives.
macro_rules! array {
    ($pointer:expr, $count:expr, $name:literal) => {{
        // SAFETY: C gives null or as many values as it says.
        unsafe { $crate::argument::array($pointer, $count, $name) }
    }};
}

/// Room for values that C wants filled.
macro_rules! room {
    ($pointer:ident, $count:expr) => {{
        // SAFETY: C gives null or room for as many values as it says, which it does not use meanwhile.
        unsafe { $crate::argument::room($pointer, $count, stringify!($pointer)) }
    }};
}

fn checked_size<T: SelfSized>(size: usize, name: &str) -> Outcome<usize> {
    let (least, most) = (T::FIRST, size_of::<T>());
    if (least..=most).contains(&size) {
        return Ok(size);
    }
    let hint = if size > most { "; a program made for a newer library?" } else { "; start it with its _INIT macro" };
    let range = if least == most { most.to_string() } else { format!("{least} to {most}") };
    Err(Failure::argument(format!("{name}: struct_size of {} is {size}, it must be {range}{hint}", T::NAME)))
}

fn size_said<T: SelfSized>(pointer: *const T, name: &str) -> Outcome<usize> {
    if pointer.is_null() {
        return Err(Failure::argument(format!("{name} is null, it must be a {}", T::NAME)));
    }
    // SAFETY: it is not null, so C gave a struct that starts with its size; wherever that is.
    checked_size::<T>(unsafe { pointer.cast::<usize>().read_unaligned() }, name)
}

/// # Safety
/// Null or a struct of as many bytes as it says.
pub(crate) unsafe fn given<T: SelfSized>(pointer: *const T, name: &str) -> Outcome<T> {
    let size = size_said(pointer, name)?;
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: as many bytes are there as it says, at most those of a T.
    unsafe { std::ptr::copy_nonoverlapping(pointer.cast::<u8>(), value.as_mut_ptr().cast::<u8>(), size) };
    // SAFETY: any bytes are a T.
    Ok(unsafe { value.assume_init() })
}

/// What a field without a meaning holds: 0, so that it can be given one.
pub(crate) fn check_reserved(value: u64) -> Outcome<()> {
    if value != 0 {
        return Err(Failure::argument(format!("reserved is {value}, it must be 0")));
    }
    Ok(())
}

/// A struct of zeros.
pub(crate) fn zeros<T: SelfSized>() -> T {
    // SAFETY: any bytes are a T.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// A struct to be filled.
pub(crate) struct Place<T> {
    pointer: *mut T,
    size: usize,
}

/// # Safety
/// Null or a struct of as many bytes as it says, that nothing else uses while the place is there.
pub(crate) unsafe fn place<T: SelfSized>(pointer: *mut T, name: &str) -> Outcome<Place<T>> {
    Ok(Place { pointer, size: size_said(pointer, name)? })
}

impl<T: SelfSized> Place<T> {
    /// Fills it, as far as C knows the struct; its size stays what it was.
    pub(crate) fn set(self, value: T) {
        let skip = size_of::<usize>();
        // SAFETY: so many bytes are there, and of a T.
        unsafe {
            let (from, to) = ((&raw const value).cast::<u8>().add(skip), self.pointer.cast::<u8>().add(skip));
            std::ptr::copy_nonoverlapping(from, to, self.size - skip);
        }
    }
}

/// Structs to be filled, one behind the other, each as large as the first says.
pub(crate) struct Places<T> {
    pointer: *mut T,
    size: usize,
    count: usize,
}

/// # Safety
/// Null or `count` structs, the first with its size, that nothing else uses while the places are there.
pub(crate) unsafe fn places<T: SelfSized>(pointer: *mut T, count: usize, name: &str) -> Outcome<Places<T>> {
    checked_count::<T>(pointer.is_null(), count, name)?;
    let size = if count == 0 { 0 } else { size_said(pointer, name)? };
    Ok(Places { pointer, size, count })
}

impl<T: SelfSized> Places<T> {
    /// Fills as many as there are, as far as C knows the struct.
    pub(crate) fn fill(self, values: impl IntoIterator<Item = T>) {
        for (i, value) in values.into_iter().take(self.count).enumerate() {
            let pointer = self.pointer.wrapping_byte_add(i * self.size);
            // SAFETY: there is room for so many of this size.
            unsafe { pointer.cast::<usize>().write_unaligned(self.size) };
            Place { pointer, size: self.size }.set(value);
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

/// A place for a value.
pub(crate) struct Out<T>(*mut T);

/// # Safety
/// Null or a place for a value, that nothing else uses while it is there.
pub(crate) unsafe fn out<T>(pointer: *mut T, name: &str) -> Outcome<Out<T>> {
    if pointer.is_null() {
        return Err(Failure::argument(format!("{name} is null, it must be the place for a result")));
    }
    Ok(Out(pointer))
}

impl<T> Out<T> {
    pub(crate) fn set(self, value: T) {
        // SAFETY: it is a place for one.
        unsafe { self.0.write(value) };
    }
}

/// # Safety
/// Null or a text that ends with a 0 and outlives the result.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Outcome<&'a str> {
    if pointer.is_null() {
        return Err(Failure::argument(format!("{name} is null, it must be a text")));
    }
    // SAFETY: as promised.
    let bytes = unsafe { CStr::from_ptr(pointer) };
    bytes.to_str().map_err(|e| Failure::argument(format!("{name} is not UTF-8: byte {} is wrong", e.valid_up_to())))
}

/// # Safety
/// As [`text`].
#[cfg(unix)]
pub(crate) unsafe fn path<'a>(pointer: *const c_char, name: &str) -> Outcome<&'a Path> {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    if pointer.is_null() {
        return Err(Failure::argument(format!("{name} is null, it must be a path")));
    }
    // SAFETY: as promised.
    Ok(Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(pointer) }.to_bytes())))
}

/// # Safety
/// As [`text`].
#[cfg(not(unix))]
pub(crate) unsafe fn path<'a>(pointer: *const c_char, name: &str) -> Outcome<&'a Path> {
    // SAFETY: as promised.
    unsafe { text(pointer, name) }.map(Path::new)
}

fn checked_count<T>(null: bool, count: usize, name: &str) -> Outcome<()> {
    if null && count > 0 {
        return Err(Failure::argument(format!("{name} is null, it must be {count} values")));
    }
    if count.checked_mul(size_of::<T>()).is_none_or(|bytes| bytes > isize::MAX as usize) {
        return Err(Failure::argument(format!("{name}: {count} values are more than memory holds")));
    }
    Ok(())
}

/// # Safety
/// Null or `count` values that outlive the result.
pub(crate) unsafe fn array<'a, T>(pointer: *const T, count: usize, name: &str) -> Outcome<&'a [T]> {
    checked_count::<T>(pointer.is_null(), count, name)?;
    if count == 0 {
        return Ok(&[]);
    }
    if !pointer.is_aligned() {
        return Err(Failure::argument(format!("{name} is no place for such values: it is not aligned")));
    }
    // SAFETY: as promised, and checked.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
}

/// Room for some values.
pub(crate) struct Room<T> {
    pointer: *mut T,
    count: usize,
}

/// # Safety
/// Null or room for `count` values, that nothing else uses while it is there.
pub(crate) unsafe fn room<T>(pointer: *mut T, count: usize, name: &str) -> Outcome<Room<T>> {
    checked_count::<T>(pointer.is_null(), count, name)?;
    Ok(Room { pointer, count })
}

impl<T: Copy> Room<T> {
    /// Writes as many as there is room for.
    pub(crate) fn fill(self, values: &[T]) {
        let count = values.len().min(self.count);
        if count > 0 {
            // SAFETY: there is room for so many.
            unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.pointer, count) };
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

/// The variant of an enum that a number of C stands for.
macro_rules! variant {
    ($number:expr, $name:expr, { $($variant:path => $value:expr),+ $(,)? }) => {{
        let number: i32 = $number;
        match number {
            $(n if n == $variant as i32 => Ok($value),)+
            _ => {
                let known = [$(format!("{} ({})", $variant as i32, stringify!($variant).rsplit("::").next().unwrap_or_default())),+];
                Err($crate::boundary::Failure::argument(format!("{} is {number}, it must be {}", $name, known.join(", "))))
            }
        }
    }};
}

/// A text for C.
pub(crate) fn owned(text: impl Into<String>) -> CString {
    let text: String = text.into();
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::ptr;

    #[repr(C)]
    #[derive(Debug, Clone, Copy, PartialEq)]
    struct grown {
        struct_size: usize,
        old: u64,
        new: u64,
    }
    sized!(grown, 16);

    #[test]
    fn an_older_struct_is_read_and_filled_as_far_as_it_goes() {
        let old = grown { struct_size: 16, old: 1, new: 99 };
        assert_eq!(given!(&raw const old, "old").unwrap(), grown { struct_size: 16, old: 1, new: 0 });
        let mut filled = old;
        let pointer = &raw mut filled;
        place!(pointer).unwrap().set(grown { struct_size: 24, old: 7, new: 8 });
        assert_eq!(filled, grown { struct_size: 16, old: 7, new: 99 });
        filled.struct_size = 24;
        let pointer = &raw mut filled;
        place!(pointer).unwrap().set(grown { struct_size: 0, old: 5, new: 6 });
        assert_eq!(filled, grown { struct_size: 24, old: 5, new: 6 });
    }

    #[test]
    fn an_array_of_older_structs_keeps_its_stride() {
        let mut numbers = [16_u64, 0, 0, 0, 77];
        let pointer = numbers.as_mut_ptr().cast::<grown>();
        let value = |old| grown { struct_size: 24, old, new: 55 };
        places!(pointer, 2).unwrap().fill([value(3), value(4), value(5)]);
        assert_eq!(numbers, [16, 3, 16, 4, 77]);
        assert!(places!(pointer, usize::MAX).is_err());
    }

    #[test]
    fn sizes_that_no_version_has_are_refused() {
        for (size, hint) in [(0, "; start it with its _INIT macro"), (25, "; a program made for a newer library?")] {
            let wrong = grown { struct_size: size, old: 1, new: 1 };
            let error = given!(&raw const wrong, "thing").unwrap_err();
            let message = format!("thing: struct_size of grown is {size}, it must be 16 to 24{hint}");
            assert_eq!(error.message, message);
        }
        let message = given!(ptr::null::<grown>(), "thing").unwrap_err().message;
        assert_eq!(message, "thing is null, it must be a grown");
    }

    #[test]
    fn mistakes_in_texts_and_arrays_are_said() {
        assert_eq!(text!(c"a".as_ptr(), "name").unwrap(), "a");
        assert_eq!(text!(c"a\xff".as_ptr(), "name").unwrap_err().message, "name is not UTF-8: byte 1 is wrong");
        assert_eq!(text!(ptr::null(), "name").unwrap_err().message, "name is null, it must be a text");
        assert!(array!(ptr::null::<u64>(), 0, "values").unwrap().is_empty());
        let null = array!(ptr::null::<u64>(), 3, "values").unwrap_err().message;
        assert_eq!(null, "values is null, it must be 3 values");
        let numbers = [1_u64, 2];
        let many = array!(numbers.as_ptr(), usize::MAX, "values").unwrap_err().message;
        assert!(many.ends_with("are more than memory holds"), "{many}");
        let crooked = numbers.as_ptr().wrapping_byte_add(1);
        assert!(array!(crooked, 1, "values").unwrap_err().message.ends_with("it is not aligned"));
        assert_eq!(array!(numbers.as_ptr(), 2, "values").unwrap(), [1, 2]);
    }
}
