//! Verbs and flags of `russet user` and `russet role`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::service::access::Role;

/// `russet user …`
#[derive(Debug, Subcommand)]
pub enum UserVerb {
    /// Makes a user. The password is asked for on the terminal unless it is in a file.
    Add {
        /// The name to sign in with.
        name: String,
        /// What they may do.
        #[arg(long, value_enum)]
        role: Role,
        /// As people write their name.
        #[arg(long)]
        display_name: Option<String>,
        /// Their e-mail address.
        #[arg(long)]
        email: Option<String>,
        /// Confines them to the devices of server tokens with this tag; several, separated by commas.
        #[arg(long = "tag", value_delimiter = ',')]
        tags: Vec<String>,
        /// Where the password comes from.
        #[command(flatten)]
        password: PasswordSource,
        /// Make a setup link instead, with which they choose a password themselves.
        #[arg(long, conflicts_with = "password_file")]
        link: bool,
    },
    /// Keeps a user out until they are enabled; their sessions end.
    Disable {
        /// The user.
        name: String,
    },
    /// Lets a user in again.
    Enable {
        /// The user.
        name: String,
    },
    /// Lists the users.
    List,
    /// Sets a user's password; their sessions end.
    Password {
        /// The user.
        name: String,
        /// Where the password comes from.
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Removes a user; their sessions end.
    Remove {
        /// The user.
        name: String,
    },
    /// Lists a user's sessions, or ends them.
    Sessions {
        /// The user.
        name: String,
        /// End this one instead.
        #[arg(long, value_name = "ID", conflicts_with = "end_all")]
        end: Option<String>,
        /// End all of them instead.
        #[arg(long)]
        end_all: bool,
    },
    /// Gives a user another role; their sessions end.
    SetRole {
        /// The user.
        name: String,
        /// What they may do from now on.
        #[arg(value_enum)]
        role: Role,
    },
    /// Confines a user to the devices of server tokens with these tags; their sessions end.
    SetTags {
        /// The user.
        name: String,
        /// The tags.
        #[arg(required_unless_present = "everything")]
        tags: Vec<String>,
        /// Confine them to none: they see everything.
        #[arg(long, conflicts_with = "tags")]
        everything: bool,
    },
    /// Makes a link with which somebody chooses a password, once, within fifteen minutes.
    SetupLink {
        /// The user; without a name, the link makes a new administrator.
        name: Option<String>,
    },
    /// Shows one user.
    Show {
        /// The user.
        name: String,
    },
}

/// Where a password comes from; never from the command line, which others on the machine can see.
#[derive(Debug, Args)]
pub struct PasswordSource {
    /// A file whose first line it is; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// `russet role …`
#[derive(Debug, Subcommand)]
pub enum RoleVerb {
    /// Lists the roles, and what they may do.
    List,
}
