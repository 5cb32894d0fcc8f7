"""Figures that documents quote are those of the records in docs/results.

Each line is a piece of a document, as an f-string over the figures of one record; what the setup of a record holds is
named by the way to it, such as setup_cases_peer_windows_per_second.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
README, PRETRAINED, RELIABILITY = "README.md", "docs/pretrained.md", "docs/reliability.md"
ROWS = {README: r"^\| `(\w+)`: ", RELIABILITY: r"\(results/(\w+)\.json\) \|$"}

LINES = {
    README: """
long_horizon   four horizons, all windows, MSE / MAE | {etth1_mse:.3f} / {etth1_mae:.3f} |
long_horizon   plain ridge {etth1_ridge_mse:.3f} / {etth1_ridge_mae:.3f}, on validation rows too
long_horizon   too {etth1_ridge_refitted_mse:.3f} / {etth1_ridge_refitted_mae:.3f}; PatchTST
long_horizon   PatchTST, 500 steps, {etth1_peer_mse:.3f} / {etth1_peer_mae:.3f} |
long_horizon   exchange rates, L = 512, four horizons, MSE / MAE | {exchange_mse:.3f} / {exchange_mae:.3f} |
long_horizon   | last value {exchange_last_mse:.3f} / {exchange_last_mae:.3f}; plain ridge
long_horizon   plain ridge {exchange_ridge_mse:.3f} / {exchange_ridge_mae:.3f}; PatchTST
long_horizon   PatchTST, 500 steps, {exchange_peer_mse:.3f} / {exchange_peer_mae:.3f} |
long_horizon   is {etth1_96_mse:.4f}, a little above the {etth1_96_ridge_mse:.4f} of the plain ridge
m3             `m3`: {num_series:,.0f} series
m3             | {smape:.2f} / {mase:.3f}; untrained {untrained_smape:.2f} / {untrained_mase:.3f} | THETA
m3             from the pretrained encoder (`m3`) {mase_monthly:.3f} on test
m4_hourly      | {owa:.3f}; untrained {untrained_owa:.3f} | seasonal naive {seasonal_naive_owa:.4f}, the
nn5            | {mase_over_naive:.3f} | weekday medians of the test part itself {oracle_over_naive:.3f}; Chronos-Bolt
nn5            as published, {bolt_base_over_naive:.3f} |
price          | {mase:.3f}, {mase_without:.3f}; {worst_market_gain_over_naive * 100:.1f} % | better of two
tune           trials of {setup_settings_training_max_steps} steps
tune           | {validation_mase_best_mean:.3f}, {test_mase_best_mean:.3f} | the config as it is
tune           the config as it is {validation_mase_default_mean:.3f}, {test_mase_default_mean:.3f};
calibration    | {coverage_80_min * 100:.0f} to {coverage_80_max * 100:.0f} %, {mean_distance * 100:.1f} points off
calibration    before calibration {before_min * 100:.0f} to {before_max * 100:.0f} %,
calibration    %, {before_mean_distance * 100:.1f} points |
zero_shot      untrained | {mase_gm:.3f}, {wql_gm:.3f} | MASE of AutoETS
zero_shot      as published of five, {100 / mase_over_bolt_base_gm - 100:.0f} % |
zero_shot      AutoTheta {100 / mase_over_auto_ets_gm - 100:.0f} and {100 / mase_over_auto_theta_gm - 100:.0f} % above
train_speed    | {setup_cases_default_windows_per_second:,.0f}; {setup_cases_same_architecture_windows_per_second:.0f},
train_speed    , in {"bfloat16" if "avx512_bf16" in setup_processor_flags else "float32"} | NeuralForecast
train_speed    in float32 as it comes, {setup_cases_peer_windows_per_second:.0f} |
batch          | {series_per_second:,.0f} a second, {peak_rss_gb:.1f} GB |
batch          the bare forward passes: {fraction_of_forward:.2f} of their speed
serve_speed    | {requests_per_second_32:,.0f}, {p99_ms_32:.0f} ms, by
serve_speed    ms, by {"ONNX Runtime" if setup_runtime == "onnx" else "PyTorch"} | by PyTorch: LitServe
serve_speed    LitServe {setup_median_litserve_32_requests_per_second:.0f}, {setup_median_litserve_32_p99_ms:.0f} ms;
serve_speed    serve` {setup_median_mlflow_32_requests_per_second:.0f}, {setup_median_mlflow_32_p99_ms:.0f} ms |
page           on the page it takes {first_forecast_seconds:.1f} s
online_conformal  on, and those of the model alone {raw_x4_at_384 * 100:.0f} % to the end; where it doubled
online_conformal  of values again from {x4_steps} steps on
online_conformal  where it doubled, from {x2_steps} steps on, and alone {raw_x2_at_384 * 100:.0f} %
""",
    PRETRAINED: """
zero_shot        seasonal naive: **{mase_gm:.3f}** and **{wql_gm:.3f}** ({wql_over_gaussian_naive_gm:.3f} where
zero_shot        intervals), and {coverage_80 * 100:.0f} % of what happened
zero_shot        published figures to {naive_off_published * 100:.2f} %.
zero_shot        | M3 yearly | {m3_yearly_mase_over_bolt_tiny:.3f} | {m3_yearly_mase_over_bolt_base:.3f} |
zero_shot        | {m3_yearly_mase_over_bolt_base:.3f} | {m3_yearly_wql_over_bolt_tiny:.3f} | {m3_yearly_wql_over_bolt_base:.3f} |
zero_shot        | M3 quarterly | {m3_quarterly_mase_over_bolt_tiny:.3f} | {m3_quarterly_mase_over_bolt_base:.3f} |
zero_shot        | {m3_quarterly_mase_over_bolt_base:.3f} | {m3_quarterly_wql_over_bolt_tiny:.3f} | {m3_quarterly_wql_over_bolt_base:.3f} |
zero_shot        | M3 monthly | {m3_monthly_mase_over_bolt_tiny:.3f} | {m3_monthly_mase_over_bolt_base:.3f} |
zero_shot        | {m3_monthly_mase_over_bolt_base:.3f} | {m3_monthly_wql_over_bolt_tiny:.3f} | {m3_monthly_wql_over_bolt_base:.3f} |
zero_shot        | M4 hourly (Bolt's training had its history) | {m4_hourly_mase_over_bolt_tiny:.3f} | {m4_hourly_mase_over_bolt_base:.3f} |
zero_shot        | {m4_hourly_mase_over_bolt_base:.3f} | {m4_hourly_wql_over_bolt_tiny:.3f} | {m4_hourly_wql_over_bolt_base:.3f} |
zero_shot        | NN5 | {nn5_mase_over_bolt_tiny:.3f} | {nn5_mase_over_bolt_base:.3f} |
zero_shot        | {nn5_mase_over_bolt_base:.3f} | {nn5_wql_over_bolt_tiny:.3f} | {nn5_wql_over_bolt_base:.3f} |
zero_shot        | geometric mean | {mase_over_bolt_tiny_gm:.3f} | {mase_over_bolt_base_gm:.3f} |
zero_shot        | {mase_over_bolt_base_gm:.3f} | {wql_over_bolt_tiny_gm:.3f} | {wql_over_bolt_base_gm:.3f} |
zero_shot_speed  forecasts {encoder_batch_32:,.0f} series a second
zero_shot_speed  and {encoder_batch_1:.0f} one by one
zero_shot_speed  beside it {peer_batch_32:.0f} and {peer_batch_1:.0f} (
synthesis        {series_per_second:,} series of 1,024 steps a second
synthesis        at least {series_per_second_least:,} (
""",  # noqa: E501
    RELIABILITY: """
overload         | {goodput_over_capacity * 100:.0f} %; 99 % of the answers within {accepted_p99_ms:.0f} ms, of the
overload         of the {sheds:,} refusals within {shed_p99_ms:.0f} ms; nothing reset
overload         idle again after {back_to_idle_seconds:.1f} s; memory +{rss_growth_percent:.1f} %
isolation        {requests:,} requests of {clients} clients, {gone_clients:,} more
isolation        all did, to {largest_relative_difference * 1e8:.1f}e-8
integrity        {bit_flips:,} flipped bits and {truncations} cuts
integrity        {control_weights_refused} of {control_bit_flips} were noticed in the weights
integrity        {control_graphs_refused} of {control_bit_flips} in the graph
metrics_truth    {requests:,} requests of {outcomes} outcomes
worker_kills     killed, {kills} times
worker_kills     {lost} requests, all of them its own
worker_kills     median {median_until_healthy_seconds:.1f} s, at worst {longest_until_healthy_seconds:.1f} |
abuse            by {chunked_first_growth_kib / 1024:.1f} and {oversize_first_growth_kib / 1024:.1f} MiB
abuse            | {chunked_growth_kib / 1024:.1f}, {oversize_growth_kib / 1024:.1f} and {heads_growth_kib} MiB |
slowloris        | {slow_sockets} sockets
slowloris        p99 {attacked_p99_ms:.1f} instead of {idle_p99_ms:.1f} ms
slowloris        the last after {last_closed_after_seconds} s
ledger_kills     at {kills_keeper + kills_all + kills_worker} random moments | no forecast
ledger_kills     {forecasts_lost} of {forecasts_told:,} and {values_lost} of {values_told:,} |
replays          {forecasts:,} forecasts of one to five
replays          {control_different} of {control_different + control_same} differ
swap_memory      {swaps} swaps
swap_memory      {onnx_ratio} times as much
reloads          {reloads} moves of the alias
reloads          | {dropped}, {mixed} and {wrong_version + backwards} of {requests:,}; {paced_p99_ratio} times
reloads          times ({paced_p99_ms_without_swaps:.1f} to {paced_p99_ms_with_swaps:.1f} ms)
outage           {serving_errors} of {requests:,}; {longest_call_seconds:.1f} s;
outage           {cold_start_seconds:.1f} s, at worst {cold_start_seconds_longest:.1f} |
soak             {outcomes_answered + outcomes_refused:,} requests; {growth_mib:.1f} MiB, {slope_percent_per_hour} % an
soak             p99 {last_over_first_p99} times
drain            {cycles} times SIGTERM
drain            {failed} of {requests_answered + requests_refused:,}; {longest_exit_seconds:.1f} s
drain            with stuck sockets {exit_with_stuck_sockets_seconds:.1f} s
poison           {rows} bad requests, each alone and beside {good_requests_beside_each} good ones
poison           {given_away_sent}, as {rows - given_away_sent} requests are cut off
fuzz             {grammar_cases:,} forecasts, {table_cases:,} tables and {raw_cases:,} requests of bytes
fuzz             {schemathesis_cases:,} cases of schemathesis
retrain_kills    {kills} of {kills} |
promotion_kills  | {sqlite_promote_points + sqlite_roll_back_points + postgres_promote_points + postgres_roll_back_points:,} of
promotion_race   {rounds} times each, {sqlite_kills} of them killed
""",  # noqa: E501
}
CASES = [(path, *line.split(maxsplit=1)) for path, lines in LINES.items() for line in lines.strip().splitlines()]


@pytest.mark.parametrize(("document", "record", "line"), CASES)
def test_a_document_quotes_its_record(document: str, record: str, line: str) -> None:
    found = json.loads((RESULTS / f"{record}.json").read_text(encoding="utf-8"))
    figures = found["figures"] | flattened(found["setup"], "setup")
    quoted = eval(f"f{line!r}", {}, figures)  # noqa: S307 - our own lines
    text = " ".join((ROOT / document).read_text(encoding="utf-8").split())
    assert quoted in text, f"{document} does not say {quoted!r}"


# Where a record keeps what it has found wrong. Of nothing it has no number, and documents say that it was nothing.
FAULTS = [
    ("retrain_kills", "problems"),
    *(
        ("promotion_kills", where, does, "wrong")
        for where in ("sqlite", "postgres")
        for does in ("promote", "roll back")
    ),
    ("metrics_truth", "differences"),
    *(("poison", f"{where}_wrong") for where in ("alone", "in_company", "given_away")),
    ("fuzz", "faults"),
]


@pytest.mark.parametrize(("record", "way"), [(record, way) for record, *way in FAULTS])
def test_a_record_in_which_nothing_was_wrong_says_so(record: str, way: list[str]) -> None:
    found = json.loads((RESULTS / f"{record}.json").read_text(encoding="utf-8"))["setup"]["details"]
    for name in way:
        found = found[name]
    assert not found


@pytest.mark.parametrize("document", ROWS)
def test_every_row_of_results_is_held_to_its_record(document: str) -> None:
    rows = re.findall(ROWS[document], (ROOT / document).read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 10
    assert set(rows) <= {record for path, record, _ in CASES if path == document}


def flattened(value: object, name: str) -> dict[str, object]:
    """Gives what is at the end of each way into a document, by the keys on the way."""
    if not isinstance(value, dict):
        return {name: value}
    return {way: end for key, part in value.items() for way, end in flattened(part, f"{name}_{key}").items()}
