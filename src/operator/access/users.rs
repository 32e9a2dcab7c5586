//! `/v1/users`: making, changing and removing users; their passwords, sessions and setup links.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Extension, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    session::with_cookie,
    view::{Ended, MadeSetupLink, RoleList, SessionList, UserList, UserView},
};
use crate::{
    error::{Code, Error},
    operator::{
        OperatorDoor, cookie,
        etag::{IfMatch, tagged},
        input::Path,
        render::{Failure, json_response},
    },
    service::access::{
        Operator, Role, Scope,
        sessions::CurrentSession,
        users::{Changed, NewUser, UserChange, revision},
    },
    storage::UserRecord,
};

type Session = Option<Extension<CurrentSession>>;

/// What users can be.
#[utoipa::path(
    get, path = "/v1/roles", tag = "access", operation_id = "list_roles",
    responses((status = 200, description = "All roles.", body = RoleList)),
    security(("bearer" = ["read"]))
)]
pub(super) async fn roles(Extension(operator): Extension<Operator>) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    Ok(json_response(StatusCode::OK, &RoleList::all()))
}

/// All users.
#[utoipa::path(
    get, path = "/v1/users", tag = "access", operation_id = "list_users",
    responses((status = 200, description = "All users.", body = UserList)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn list(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let users = door.access.users.list().await?;
    let users = users.iter().map(UserView::from).collect();
    Ok(json_response(StatusCode::OK, &UserList { users }))
}

/// A user to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUserBody {
    /// What they type; kept in lower case.
    #[schema(
        max_length = 64,
        min_length = 1,
        pattern = "^[A-Za-z0-9_.@-]*[A-Za-z0-9][A-Za-z0-9_.@-]*$"
    )]
    name: String,
    /// As people write it.
    #[schema(max_length = 128)]
    display_name: Option<String>,
    /// Their e-mail address.
    #[schema(max_length = 128)]
    email: Option<String>,
    /// What they are to the server.
    role: Role,
    /// The scope tags they are confined to; to none if absent.
    #[schema(min_items = 1, max_items = 100)]
    tags: Option<Vec<String>>,
    /// Their password. Without one, make a setup link for them.
    #[schema(format = Password, min_length = 12, max_length = 256)]
    password: Option<String>,
}

/// Makes a user.
#[utoipa::path(
    post, path = "/v1/users", tag = "access", operation_id = "create_user",
    request_body = NewUserBody,
    responses(
        (status = 201, description = "Made.", body = UserView),
        (status = 409, description = "The name is taken, or there are as many users as there may be."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn create(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let asked: NewUserBody = door.json(&headers, body).await?;
    let new = NewUser {
        name: asked.name,
        display_name: asked.display_name,
        email: asked.email,
        role: Some(asked.role),
        tags: asked.tags,
        password: asked.password,
    };
    let user = door.access.users.add(new, door.clock.now()).await?;
    tracing::info!(
        by = operator.name,
        user = user.name,
        role = user.role,
        "user made"
    );
    Ok(shown(StatusCode::CREATED, &user))
}

/// One user.
#[utoipa::path(
    get, path = "/v1/users/{name}", tag = "access", operation_id = "show_user",
    params(("name" = String, Path, description = "The user's name.")),
    responses(
        (status = 200, description = "The user.", body = UserView),
        (status = 404, description = "There is none of that name."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn show(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    Ok(shown(StatusCode::OK, &door.access.users.show(&name).await?))
}

/// What is to be different; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserChangeBody {
    /// As people write it.
    #[schema(max_length = 128)]
    display_name: Option<String>,
    /// Their e-mail address; empty: none.
    #[schema(max_length = 128)]
    email: Option<String>,
    /// What they are to the server.
    role: Option<Role>,
    /// The scope tags they are confined to; null: to none any more.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    tags: Option<Option<Vec<String>>>,
    /// Whether they are kept out.
    disabled: Option<bool>,
}

/// Tells a null from a field that is absent.
fn given<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Changes a user. With another role or other tags, or kept out, they have to sign in again.
#[utoipa::path(
    patch, path = "/v1/users/{name}", tag = "access", operation_id = "change_user",
    params(("name" = String, Path, description = "The user's name."), IfMatch),
    request_body = UserChangeBody,
    responses(
        (status = 200, description = "Changed.", body = UserView),
        (status = 404, description = "There is none of that name."),
        (status = 409, description = "No administrator would be left, or the OpenID provider says what the user is."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn change(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    IfMatch { expected }: IfMatch,
    session: Session,
    request: Request,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let jar = cookie::Jar::of(&door.front, &request);
    let (parts, body) = request.into_parts();
    let asked: UserChangeBody = door.json(&parts.headers, body).await?;
    let change = UserChange {
        display_name: asked.display_name,
        email: asked.email,
        role: asked.role,
        tags: asked.tags,
        disabled: asked.disabled,
        expected,
    };
    let session = session.map(|Extension(session)| session);
    let changed = door
        .access
        .users
        .change(&name, change, session.as_ref(), door.clock.now())
        .await?;
    tracing::info!(by = operator.name, user = changed.user.name, "user changed");
    Ok(rotated(shown(StatusCode::OK, &changed.user), &changed, jar))
}

/// Removes a user, whose sessions end.
#[utoipa::path(
    delete, path = "/v1/users/{name}", tag = "access", operation_id = "remove_user",
    params(("name" = String, Path, description = "The user's name."), IfMatch),
    responses(
        (status = 204, description = "Removed."),
        (status = 404, description = "There is none of that name."),
        (status = 409, description = "No administrator would be left."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn remove(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    IfMatch { expected }: IfMatch,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    door.access.users.remove(&name, expected).await?;
    tracing::info!(by = operator.name, user = name, "user removed");
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A user's new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Password {
    /// The new one.
    #[schema(format = Password, min_length = 12, max_length = 256)]
    password: String,
}

/// Sets a user's password, whose sessions end.
#[utoipa::path(
    put, path = "/v1/users/{name}/password", tag = "access", operation_id = "set_user_password",
    params(("name" = String, Path, description = "The user's name.")),
    request_body = Password,
    responses(
        (status = 204, description = "Set."),
        (status = 404, description = "There is no user of that name."),
        (status = 409, description = "The OpenID provider has the password."),
        (status = 422, description = "The password breaks a rule."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn set_password(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    session: Session,
    request: Request,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let jar = cookie::Jar::of(&door.front, &request);
    let (parts, body) = request.into_parts();
    let asked: Password = door.json(&parts.headers, body).await?;
    let session = session.map(|Extension(session)| session);
    let now = door.clock.now();
    let changed = door
        .access
        .users
        .set_password(&name, &asked.password, session.as_ref(), now)
        .await?;
    tracing::info!(by = operator.name, user = name, "password set");
    Ok(rotated(StatusCode::NO_CONTENT.into_response(), &changed, jar))
}

/// A user's sessions.
#[utoipa::path(
    get, path = "/v1/users/{name}/sessions", tag = "access", operation_id = "list_sessions",
    params(("name" = String, Path, description = "The user's name.")),
    responses(
        (status = 200, description = "The sessions that are not over.", body = SessionList),
        (status = 404, description = "There is no user of that name."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn sessions(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let user = door.access.users.show(&name).await?;
    let sessions = door.access.sessions.list(&user.name, door.clock.now()).await?;
    Ok(json_response(StatusCode::OK, &SessionList::from(sessions)))
}

/// Ends all sessions of a user.
#[utoipa::path(
    delete, path = "/v1/users/{name}/sessions", tag = "access", operation_id = "end_sessions",
    params(("name" = String, Path, description = "The user's name.")),
    responses(
        (status = 200, description = "Ended.", body = Ended),
        (status = 404, description = "There is no user of that name."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn end_sessions(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let user = door.access.users.show(&name).await?;
    let ended = door.access.sessions.end_of(&user.name, None).await?;
    tracing::info!(by = operator.name, user = user.name, ended, "sessions ended");
    Ok(json_response(StatusCode::OK, &Ended { ended }))
}

/// Ends one session of a user.
#[utoipa::path(
    delete, path = "/v1/users/{name}/sessions/{id}", tag = "access", operation_id = "end_session",
    params(
        ("name" = String, Path, description = "The user's name."),
        ("id" = String, Path, description = "The session's name."),
    ),
    responses(
        (status = 204, description = "Ended."),
        (status = 404, description = "There is no such user or session."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn end_session(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let user = door.access.users.show(&name).await?;
    if door.access.sessions.end_of(&user.name, Some(&id)).await? == 0 {
        return Err(Error::new(Code::SessionUnknown).into());
    }
    tracing::info!(by = operator.name, user = user.name, "session ended");
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// For whom a setup link is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSetupLink {
    /// The user whose password it sets; absent: it makes a new administrator.
    user: Option<String>,
}

/// Makes a link with which somebody sets a password of their own choice, once, within fifteen minutes.
#[utoipa::path(
    post, path = "/v1/setup-links", tag = "access", operation_id = "create_setup_link",
    request_body = NewSetupLink,
    responses(
        (status = 201, description = "Made.", body = MadeSetupLink),
        (status = 404, description = "There is no user of that name."),
        (status = 409, description = "The OpenID provider has the password."),
    ),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn create_setup_link(
    State(door): State<Arc<OperatorDoor>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    operator.require_everywhere(Scope::Admin)?;
    let asked: NewSetupLink = door.json(&headers, body).await?;
    let links = &door.access.setup_links;
    let made = links.create(asked.user.as_deref(), door.clock.now()).await?;
    tracing::info!(by = operator.name, user = asked.user, "setup link made");
    let answer = MadeSetupLink {
        url: format!("{}{}", door.front.url, made.path()),
        user: asked.user,
        expires_at: made.expires_at.into(),
    };
    Ok(json_response(StatusCode::CREATED, &answer))
}

/// A user, with the ETag that a change may be based on.
fn shown(status: StatusCode, user: &UserRecord) -> Response {
    tagged(json_response(status, &UserView::from(user)), &revision(user))
}

/// The answer to a change of the very user who makes it: their session goes on under a new cookie.
fn rotated(response: Response, changed: &Changed, jar: cookie::Jar) -> Response {
    match &changed.rotated {
        Some(secret) => with_cookie(response, jar.set(secret.reveal())),
        None => response,
    }
}
