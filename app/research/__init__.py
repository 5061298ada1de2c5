"""What an economist runs: histories, backtests, comparisons, sweeps, calibration and the validation of the document."""
