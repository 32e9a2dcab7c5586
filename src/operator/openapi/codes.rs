//! All failures that this API tells of, as a schema: their names, and what each means.

use utoipa::openapi::{
    Ref, RefOr, Schema,
    schema::{Object, ObjectBuilder, Type},
};

use crate::{
    error::{Code, Error},
    operator::render::status,
};

/// The schema's name.
pub(super) const NAME: &str = "ErrorCode";

/// What a failure's `code` is.
pub(super) fn reference() -> RefOr<Schema> {
    Ref::from_schema_name(NAME).into()
}

/// The catalogue.
pub(super) fn schema() -> Object {
    let mut text = "A failure's name. A later release may have more: take an unknown one for what its HTTP status says.\n\n\
                    | code | status | what happened |\n|---|---|---|\n"
        .to_owned();
    for code in Code::ALL {
        let status = status(&Error::new(*code)).as_u16();
        text.push_str(&format!(
            "| `{}` | {status} | {} |\n",
            code.as_str(),
            code.cause()
        ));
    }
    let names = Code::ALL.iter().map(|code| code.as_str());
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(text))
        .enum_values(Some(names))
        .build()
}
