"""The guards of what proves ledgers and receipts. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.proof_guards`` prints it).
"""

from tests.reliability.guards import CORE, WORKER, Guard, core_test, table, worker_test

_MISFIT = "test_chain.py::test_what_does_not_fit_is_named"

PROOF_GUARDS: tuple[Guard, ...] = (
    Guard(
        "an entry's content makes its digest",
        CORE + "money/chain.py",
        (("    if sealed(facts).digest != page[index].digest:\n", "    if False:\n"),),
        core_test(f"{_MISFIT}[a fact changed]"),
    ),
    Guard(
        "an entry is linked to the one before",
        CORE + "money/chain.py",
        (("    if facts.previous != point.digest:\n", "    if False:\n"),),
        core_test(f"{_MISFIT}[changed and sealed anew]"),
    ),
    Guard(
        "a chain is the one that was signed",
        CORE + "money/chain.py",
        ((" is not None and signed != point.digest:\n", " is not None and False:\n"),),
        core_test(f"{_MISFIT}[rewritten to the end, as long as before]"),
    ),
    Guard(
        "the entries since the last head that fitted are named",
        CORE + "money/chain.py",
        (("    first = after.seq if begun is None else begun\n", "    first = after.seq\n"),),
        worker_test("test_walking.py::test_of_a_rewritten_chain_the_entries_since_the_last_head_that_fitted_are_named"),
    ),
    Guard(
        "a ledger is walked though its account's row cannot be read",
        WORKER + "walking.py",
        (
            (
                "        return Misfit(0, Flaw.CHANGED, str(unreadable))\n",
                "        raise unreadable from None\n",
            ),
        ),
        worker_test("test_walking.py::test_the_ledger_of_an_account_that_cannot_be_read_is_walked_to_its_end"),
    ),
    Guard(
        "a ledger does not end before its head",
        CORE + "money/chain.py",
        (("    if last <= point.seq:\n", "    if True:\n"),),
        core_test(f"{_MISFIT}[the last taken out]"),
    ),
    Guard(
        "a name fits what stands for it in the digest",
        CORE + "money/chain.py",
        (
            (
                "        if text and not hmac.compare_digest(keyed(key, kind, text), stands[kind]):\n",
                "        if False:\n",
            ),
        ),
        core_test("test_chain.py::test_a_text_that_does_not_fit_its_digest_is_found_and_an_erased_one_fits"),
    ),
    Guard(
        "a name is in a signed document once",
        CORE + "money/signed.py",
        (("    if len(found) != len(pairs):\n", "    if False:\n"),),
        core_test("test_signed.py::test_a_strangers_document_is_refused_by_name[a name twice]"),
    ),
    Guard(
        "a document is verified with the key that it names",
        WORKER + "proofs.py",
        (("    if key is None or key[0] != document.signed_by.key_id:\n", "    if key is None:\n"),),
        worker_test("test_proofs.py::test_a_published_key_under_another_id_is_no_key"),
    ),
    Guard(
        "a head is believed with its signature only",
        WORKER + "proofs.py",
        (("    if head.name != name or not await fits(deps, document):\n", "    if head.name != name:\n"),),
        worker_test("test_proofs.py::test_a_head_that_is_not_what_was_signed_is_not_believed"),
    ),
    Guard(
        "a head is believed under its own name only",
        WORKER + "proofs.py",
        (
            (
                "    if head.name != name or not await fits(deps, document):\n",
                "    if not await fits(deps, document):\n",
            ),
        ),
        worker_test("test_proofs.py::test_a_head_that_is_not_what_was_signed_is_not_believed"),
    ),
    Guard(
        "what was signed before is not signed with another digest",
        WORKER + "proofs.py",
        (("        if there is None or there.digest != head.digest:\n", "        if there is None:\n"),),
        worker_test("test_proofs.py::test_a_chain_that_was_written_anew_is_not_signed_again"),
    ),
    Guard(
        "no statement of a ledger that does not fit the signed head at which its reading starts",
        WORKER + "statements.py",
        (("        _expect(head, await anext(entries, None))\n", "        await anext(entries, None)\n"),),
        worker_test("test_statements.py::test_a_ledger_that_does_not_fit_the_head_has_no_statement"),
    ),
    Guard(
        "a statement holds a page of entries",
        WORKER + "statements.py",
        (("        if len(page) == PAGE:\n", "        if len(page) == 0:\n"),),
        worker_test("test_statements.py::test_a_page_is_held_however_long_the_month_is[as_csv]"),
    ),
    Guard(
        "a generation that cannot be read costs a statement its own model only",
        WORKER + "statements.py",
        (("    except UnreadableRow:\n        return", "    except OSError:\n        return"),),
        worker_test("test_statements.py::test_a_generation_that_cannot_be_read_costs_its_own_lines_only"),
    ),
    Guard(
        "a statement's reading starts before its month",
        WORKER + "proofs.py",
        (("        if head is not None and head.at <= at:\n", "        if head is not None:\n"),),
        worker_test("test_statements.py::test_it_says_the_same_as_a_reading_from_the_first_entry"),
    ),
    Guard(
        "a text that does not fit its digest is not erased",
        WORKER + "erasing.py",
        (("            erasing.check(entry, key)\n", "            pass\n"),),
        worker_test("test_erasing.py::test_what_does_not_fit_is_not_erased"),
    ),
    Guard(
        "no name is erased of a user who has an open generation",
        WORKER + "erasing.py",
        (("    if still:\n", "    if still and not user_id:\n"),),
        worker_test("test_erasing.py::test_a_user_with_an_open_generation_is_refused"),
    ),
    Guard(
        "a command whose texts were erased is compared by its keyed digest",
        "shared/core/money/linking.py",
        (("    if entry.asked or saved is None:\n", "    if entry.asked or saved is not None:\n"),),
        worker_test("test_erasing.py::test_a_command_whose_texts_were_erased_is_still_known"),
    ),
    Guard(
        "an audit matches entries by digest, because an id can be erased",
        WORKER + "open_holds.py",
        (
            (
                "        name = (entry.stand_ins or stand_ins(key, entry)).entry\n",
                "        name = keyed(key, Named.ENTRY, entry.entry_id)\n",
            ),
        ),
        worker_test("test_erasing.py::test_an_audit_finds_no_difference_while_names_are_erased"),
    ),
    Guard(
        "a key is published before it signs",
        WORKER + "proofs.py",
        (("    await _publish(deps)\n    return signed.document(", "    return signed.document("),),
        worker_test("test_proofs.py::test_a_key_is_published_before_it_signs_and_stays"),
    ),
    Guard(
        "a proof is never written over",
        "shared/adapters/azure_storage/blobs/sdk.py",
        (("name, content, overwrite=False, content_settings", "name, content, overwrite=True, content_settings"),),
        "tests/adapters/test_proofs.py::test_a_blob_that_the_policy_keeps_is_read_and_compared",
    ),
    Guard(
        "no cell of a statement is a formula",
        "shared/views/statement.py",
        (
            (
                '    return f"\'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell\n',
                "    return cell\n",
            ),
        ),
        core_test("test_statement.py::test_no_cell_is_a_formula"),
    ),
)

if __name__ == "__main__":
    print(table(PROOF_GUARDS))  # noqa: T201  # it prints: it is a command
