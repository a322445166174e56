# ruff: noqa: E501 - a table reads better with a case a line
"""Multiple choice judged by hand: (completion, the letter it settles on, or None)."""

from __future__ import annotations

CASES: list[tuple[str, str | None]] = [
    ("A", "A"), ("B.", "B"), ("(C)", "C"), ("D)", "D"), ("**A**", "A"), ("`B`", "B"), ("$C$", "C"), ("[D]", "D"),
    ("Answer: A", "A"), ("answer: b is what I would say, Answer: B", "B"), ("Answer: (C)", "C"), ("Answer: **D**", "D"),
    ("**Answer: A**", "A"), ("**Answer:** B", "B"), ("The answer is C.", "C"), ("The answer is (D).", "D"),
    ("The correct answer is A", "A"), ("The correct option is B.", "B"), ("the correct choice is (C)", "C"),
    ("The best answer is D.", "D"), ("The final answer is: A", "A"), ("Final Answer: B", "B"),
    ("Final answer: Option C", "C"), ("So the answer must be D.", "D"), ("The answer is option A.", "A"),
    ("My choice is B", "B"), ("Option C is correct.", "C"), ("D is the correct answer.", "D"), ("A is correct.", "A"),
    ("(B) is the right answer", "B"), ("\\boxed{C}", "C"), ("$\\boxed{D}$", "D"), ("\\boxed{\\text{A}}", "A"),
    ("\\boxed{\\textbf{(B)}}", "B"), ("\\boxed{(C)}", "C"), ("\\boxed{D) 4.2 eV}", "D"), ("The answer is $\\boxed{A}$.", "A"),
    ("The answer is $\\text{B}$", "B"), ("Answer:\nC", "C"), ("Answer: \n\n**D**", "D"),
    ("First, A looks right. But the answer is B.", "B"), ("The answer is A. Wait, no. The answer is C.", "C"),
    ("Option A is wrong, option B is wrong. The answer is D.", "D"), ("It cannot be A. The correct answer is B.", "B"),
    ("The answer is not A. The answer is C.", "C"), ("<think>The answer is A</think>The answer is D.", "D"),
    ("<think>The answer is D</think>\n\nA", "A"), ("Reasoning about energy.\n\nB", "B"),
    ("We compare the options.\n(C) 3.2 eV", "C"), ("A) is false\nB) is false\nC) is false\n\nAnswer: D", "D"),
    ("A molecule of water binds. Answer: B", "B"), ("A good answer is hard to find.", None), ("I do not know.", None),
    ("", None), ("E = mc^2", None), ("The value of D is large, which is not decisive.", None),
    ("I think that a is right", None), ("42", None), ("The answer is 7.", None), ("\\boxed{7}", None),
    ("Answer: A\n\nExplanation: options B, C and D violate conservation of charge.", "A"),
    ("### Answer\n\n**C**", "C"), ("The answer is therefore D", "D"), ("Thus the correct answer is: \n\n(B) 10^-9 eV", "B"),
    ("answer is a", None), ("Vitamin C", None), ("Hence, option (D).", "D"), ("I'd choose B: it is heavier.", "B"),
]  # fmt: skip
