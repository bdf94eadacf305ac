"""Proxy, CA file and timeout on the command line and in the environment."""

from pathlib import Path

from running import Run, assert_one_clear_line


def test_connection_options_and_variables_are_validated(run: Run, tmp_path: Path) -> None:
    """The option, and the variable that stands for it."""
    (tmp_path / "ca.pem").write_text("rubbish")
    https = {"ESMS_BASE_URL": "https://gw.test"}
    for arguments, environment in (
        (["--ca-bundle", str(tmp_path / "ca.pem")], {}),
        ([], {"ESMS_CA_BUNDLE": str(tmp_path / "ca.pem")}),
    ):
        done = run("balance", *arguments, **https, **environment)
        assert_one_clear_line(done, 2, "contains no readable certificates")
    for arguments, environment in ((["--proxy", "socks5://h:1"], {}), ([], {"ESMS_PROXY": "socks5://h:1"})):
        done = run("balance", *arguments, **https, **environment)
        assert_one_clear_line(done, 2, "speaks socks5")
    assert run("balance", "--timeout", "30").returncode == 0
    assert run("balance", "--timeout", "0").returncode == 2
    assert run("balance", ESMS_TIMEOUT="soon").returncode == 2
