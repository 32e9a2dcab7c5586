//! Enrollment profiles of Automated Device Enrollment.

mod panes;
