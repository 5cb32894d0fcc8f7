"""Promotion: the policy, what was found of a challenger, and the alias that moves if it is earned."""
