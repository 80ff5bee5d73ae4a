//! Setters of parameters, one a field.

/// `setters!(Params { name: Type, .. })` gives `Params` a method of each field's name that takes its value.
macro_rules! setters {
    ($params:ty { $($name:ident: $type:ty),* $(,)? }) => {
        impl $params {
            $(
                #[doc = concat!("Sets [`", stringify!($name), "`](Self#structfield.", stringify!($name), ").")]
                #[must_use]
                pub fn $name(mut self, $name: $type) -> Self {
                    self.$name = $name;
                    self
                }
            )*
        }
    };
}

pub(crate) use setters;
