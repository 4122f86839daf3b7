"""The address through runs that a click breaks off."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def _script() -> None:
    import streamlit as st

    from pages.shared import address

    with address.closing(address.open_run()):
        address.restore("first", "first", str, "")
        if "clicked" not in st.session_state:  # what a click between two widgets does
            st.session_state["clicked"] = True
            st.session_state["first"] = "by the click"
            address.touch()
            st.rerun()
        address.restore("second", "second", str, "")
        address.record({name: st.session_state[name] for name in ("first", "second")})


def test_a_click_while_a_link_is_read_loses_neither_the_click_nor_the_rest_of_the_link() -> None:
    app = AppTest.from_function(_script)
    app.query_params["first"] = "by the link"
    app.query_params["second"] = "by the link"
    app.run()
    assert not app.exception
    assert dict(app.query_params) == {"first": "by the click", "second": "by the link"}


def test_a_link_that_is_opened_afterwards_is_read_whole() -> None:
    app = AppTest.from_function(_script)
    app.run()
    app.query_params["first"] = "a new link"
    app.run()
    assert app.session_state["first"] == "a new link"
    assert app.session_state["second"] == ""


def _asking_again() -> None:
    import streamlit as st

    from pages.shared import address

    with address.closing(address.open_run()):
        chosen = address.restore("side", "side", int, 64)
        st.number_input("Side", 1, 512, key="side", on_change=address.touch)
        address.record({"side": str(chosen)})
        if st.session_state.get("asked") != chosen:  # what is streamed in is complete
            st.session_state["asked"] = chosen
            st.rerun()


def test_a_run_that_asks_for_another_keeps_what_was_typed() -> None:
    app = AppTest.from_function(_asking_again).run()
    app.number_input(key="side").set_value(32).run()
    assert app.session_state["side"] == 32
    assert dict(app.query_params) == {"side": "32"}
    app.query_params["side"] = "128"  # the browser's Back
    app.run()
    assert app.session_state["side"] == 128
