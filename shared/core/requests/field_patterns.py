"""The forms of texts that name something: an upload, a model, trained weights."""

from shared.core.keys import ID_PATTERN

OWNER_NAME = r"[a-z0-9][a-z0-9._-]{0,63}/[a-z0-9][a-z0-9._-]{0,63}"

#: The folders of account and user, then parts of harmless characters, none of only dots. The parser checks whose
#: folders they are.
UPLOAD = rf"{ID_PATTERN}/{ID_PATTERN}(?:/(?!\.+(?:/|$))[A-Za-z0-9 ._()@+=-]{{1,200}})+"

#: A trained version as its provider names it, or an address.
VERSION_PATTERN = rf"{OWNER_NAME}:[0-9a-f]{{64}}"
LORA_PATTERN = rf"{VERSION_PATTERN}|https://[A-Za-z0-9.-]{{1,253}}/[!-~]{{1,400}}"

#: How a request refers to an input that was screened and stored. It differs from every user's address: those are https.
INPUT_PREFIX = "input:"

UPLOAD_RULE = "input_file must be a file in the user's own folder of uploads: <account_id>/<user_id>/<name>"
