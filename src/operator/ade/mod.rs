//! `/v1/ade/…`: Automated Device Enrollment.

pub(super) mod profiles;
mod profiles_view;
