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
    # explanations that go on about other options
    ("The answer is B. Option A is wrong because it ignores friction.", "B"),
    ("Answer: C\n\nOption A ignores friction, while option D has the wrong sign.", "C"),
    ("The correct answer is (B).\n\nExplanation: choice D assumes that the mass is constant.", "B"),
    ("The answer is B. My choice: I would say so.", "B"),
    ("**B**\n\nOption A ignores friction, and option D has the wrong sign.", "B"),
    ("Option A ignores friction, option D the sign.\n\n(C)", "C"),
    ("### Answer\n\nC\n\nOption A ignores friction.", "C"),
    ("Answer B\n\nOption A ignores friction.", "B"),
    ("The answer is B. Answer choice D forgets the spin.", "B"),
    ("The correct option is B. If you pick A, you forget the spin.", "B"),
    ("D is the correct answer\nA ignores friction, choice B the sign.", "D"),
    ("Since it is not A, the answer is C.", "C"),
    ("Option A is wrong, so the answer is B.", "B"),
    ("I would pick B. Option A is lighter.", "B"),
    ("My choice: I would say so.", None),
    ("\\boxed{B}\n\nThe answer is not A; option D is close.", "B"),
    ("C is correct. Option D would need more energy.", "C"),
    ("The answer is I because ten options are given.", "I"),
    ("Option A is tempting. Hence, option (D).", "D"),
    ("The wrong answer is A. Option B holds.", "B"),
    ("The answer is A. Wait, no: option B is correct.", "B"),
    ("The answer is B.\n\n- Option A: no\n- Option C: no\n- Option D: no", "B"),
    ("The answer is B, not option A.", "B"),
    ("Why not the others? Choice A: too small. Choice C: too big. The answer: B", "B"),
    ("The correct answer choice is B. Answer option C is for gases.", "B"),
    # in TeX, in quotes, in small letters, in other words
    ("The answer is \\(B\\).", "B"), ("Answer: \\(\\text{B}\\)", "B"), ("**Answer:** \\( B \\)", "B"), ("Answer: b.", "B"),
    ("The answer is (b).", "B"), ("(c)", "C"), ("__B__", "B"), ("Answer: __B__", "B"), ("I think it's C", "C"),
    ("I'd go with B.", "B"), ("Hence, (B).", "B"), ("'B'", "B"), ("Ｂ", "B"), ("Answer: _B_", "B"), ("Answer: \\[ B \\]", "B"),
    ("\\[\\boxed{\\mathrm{d}}\\]", "D"), ("The answer is $\\mathbf{C}$.", "C"), ("I would go for option (D).", "D"),
    ("I believe it is A.", "A"), ("I think it is a question of mass.", None), ("Thus: B", "B"), ("So it must be D.", "D"),
    ("answer is b", "B"), ("The answer is a matter of taste.", None), ("the answer is (a)", "A"), ("Answer: “B”", "B"),
    ("Answer: 'B'.", "B"), ("（Ｃ）", "C"), ("b)", "B"), ("answer: (e) none of these", "E"), ("Answer is B/c of gravity", "B"),
    ("The correct answer is \\textbf{(C)}: 3", "C"), ("Final Answer: \\(\\boxed{C}\\)", "C"), ("A's mass is the answer", None),
    ("Answer: a", "A"), ("I'm going with C", "C"), ("Final: B", "B"), ("The answer is <b>B</b>.", "B"), ("Answer is: [B]", "B"),
    ("the answer is f(x)", None), ("The answer is c = 3", None), ("So, the answer would be (A)", "A"), ("Answer - C", "C"),
    ("The answer is D, and A, B, C are wrong.", "D"), ("C or D? Answer: C", "C"), ("It's B.", "B"),
    # several at once are no answer
    ("Answer: A, B, C, D", None), ("\\boxed{A,B,C,D}", None), ("The answer is A or B", None), ("Answer: A/B", None),
    ("**Answer: A or D**", None), ("The answer is either A or B", None), ("Answer: (A) or (B)", None), ("Answer: A and B", None),
    ("\\boxed{A} or \\boxed{B}", None), ("\\boxed{\\text{A or B}}", None), ("A or B is correct.", None), ("I'd go with A or C.", None),
    ("It is either B or C", None), ("Answer: A & B", None), ("The answer is A or B depending on the sign.", None),
    ("The answer is A or B. On reflection, the answer is B.", "B"), ("The answer is A, B is too small.", "A"),
    ("Answer: B, since A and C are wrong.", "B"), ("The answer is B; A and C are out.", "B"), ("Not A or B; the answer is C.", "C"),
    ("Options A, B and C fail. Answer: D", "D"), ("The answer is B, or roughly 3 eV.", "B"), ("The answer is A: B would be too low.", "A"),
]  # fmt: skip

# As other hands write them: boxes with formulas, other words and languages, JSON, words that begin like an option.
VARIANTS: list[tuple[str, str | None]] = [
    # a formula in a box, and boxes in prose
    ("$\\boxed{E=3.2 eV}$ is the gap. Answer: B", "B"), ("$\\boxed{E = mc^2}$, so the answer is C.", "C"), ("\\boxed{A+B}\n\nAnswer: D", "D"), ("\\boxed{E_0}. Answer: A", "A"), ("\\boxed{C_2H_6} is ethane. The answer is B.", "B"), ("\\boxed{4.2}\n\nAnswer: C", "C"), ("\\boxed{D > 0}, hence (A).", "A"), ("\\boxed{B^2}. Answer: C", "C"), ("\\boxed{E \\approx 3}. Answer: D", "D"), ("\\boxed{A/2}. Answer: B", "B"), ("\\boxed{A(x)}. Answer: B", "B"), ("\\boxed{E=3}", None), ("\\boxed{B-A}", None),
    ("My choice is in `\\boxed` as requested. Answer: C", "C"), ("I put a letter in `\\boxed` as asked. Answer: D", "D"), ("Use \\boxed{} for the letter. Answer: B", "B"), ("\\boxed{B}", "B"), ("\\boxed{B. 4}", "B"), ("\\boxed{(B) 4\\ \\text{eV}}", "B"), ("\\boxed{\\text{(B)}}", "B"), ("\\boxed{\\text{Option B}}", "B"), ("\\boxed{b}", "B"), ("\\boxed{4\\text{ eV (B)}}", "B"), ("\\boxed{\\mathbf{B}}", "B"), ("\\boxed{\\textbf{B) } 4}", "B"), ("\\boxed B", "B"), ("\\boxed{\\text{B: 4 eV}}", "B"), ("\\fbox{C}", "C"), ("\\boxed{\\text{Answer: C}}", "C"),
    # announced
    ("Answer seems to be C.", "C"), ("The answer to the question is B.", "B"), ("The answer appears to be (D).", "D"), ("The answer has to be C.", "C"), ("The answer turns out to be D.", "D"), ("The right choice would be A.", "A"), ("I am confident that the answer is B.", "B"), ("So C is the answer.", "C"), ("This makes C the correct answer.", "C"), ("My answer: C", "C"), ("Therefore, option C.", "C"), ("Among the options, B is correct.", "B"), ("B is the best choice.", "B"), ("Correct answer: (B)", "B"), ("Choice: B", "B"), ("Option: C", "C"), ("The answer to this problem is (A).", "A"), ("The answer must then be C.", "C"), ("The most likely answer is B.", "B"), ("The answer could only be D.", "D"), ("The answer, I believe, is C.", "C"), ("The answer here is B.", "B"), ("The answer will be A.", "A"), ("answer:b", "B"), ("ANSWER: C", "C"), ("Answer:B", "B"), ("Answer is option (c)", "C"), ("<answer>B</answer>", "B"), ("<answer> (C) </answer>\nThanks.", "C"), ("#### D", "D"), ("The answer = B", "B"), ("The correct answer is indeed C.", "C"), ("The answer is obviously B.", "B"), ("The best answer would therefore be (B).", "B"), ("The only correct option is D.", "D"), ("Statement C is correct.", "C"), ("The answer is letter B.", "B"), ("The answer is option number B.", "B"), ("Ans: C", "C"), ("Ans. (C)", "C"),
    ("The answer is not B.", None), ("The answer isn't C.", None), ("The answer cannot be D.", None), ("The answer seems not to be C.", None), ("I doubt that the answer is B.", None), ("The answer is neither A nor B.", None), ("Answer: none of A, B, C, D", None), ("The answer is one of A, B, C.", None), ("Both A and B are correct.", None), ("The answer is A and/or B.", None), ("It could be A, it could be B.", None), ("B is incorrect.", None), ("B is not the answer.", None), ("The wrong answer is C.", None), ("A and B are both wrong. The answer is C.", "C"), ("The answer to A is B.", "B"),
    # JSON
    ('{"answer": "B"}', "B"), ('{"answer": "(B)"}', "B"), ('{"choice": "C"}', "C"), ('{"final_answer": "B. 4 eV"}', "B"), ('```json\n{"reasoning": "A is too small", "answer": "D"}\n```', "D"), ("{'answer': 'B'}", "B"), ('{"answer": "b"}', "B"), ('{"answer": "A or B"}', None), ('{"Answer":"C","confidence":0.9}', "C"), ('{"option": "D"}', "D"), ('{"answer_letter": "B"}', "B"), ('{"answer": ["C"]}', "C"), ('{"answer": "Carbon"}', None), ('{"answer": null, "A": 1}', None), ('{"correct_option": "A"}', "A"),
    # other languages
    ("答案：B", "B"), ("答案是B。", "B"), ("答案为 C", "C"), ("正确答案是 B。", "B"), ("故选B。", "B"), ("因此选择C。", "C"), ("选项B是正确的。", "B"), ("Antwort: C", "C"), ("Die richtige Antwort ist C.", "C"), ("Die Antwort lautet (B).", "B"), ("Réponse : B", "B"), ("La bonne réponse est B.", "B"), ("La respuesta correcta es C.", "C"), ("Respuesta: D", "D"), ("La risposta corretta è A.", "A"), ("A resposta correta é B.", "B"), ("Ответ: B", "B"), ("Ответ: В", "B"), ("Правильный ответ — C.", "C"), ("答えはCです。", "C"), ("正解はB", "B"), ("정답은 C입니다.", "C"), ("정답: B", "B"), ("Het juiste antwoord is D.", "D"), ("Odpowiedź: A", "A"), ("Cevap: B", "B"), ("Doğru cevap B.", "B"), ("Đáp án: C", "C"), ("Jawaban: D", "D"), ("Svar: B", "B"), ("الإجابة: C", "C"), ("उत्तर: B", "B"),
    ("Die Antwort ist nicht C.", None), ("答案不是B。", None), ("La respuesta no es C.", None), ("La réponse n'est pas B.", None), ("Ответ не C.", None),
    # a letter with its text
    ("b. 4", "B"), ("B. 4", "B"), ("B) 4 eV", "B"), ("(b) 4", "B"), ("b) 4", "B"), ("B: 4", "B"), ("a. 4", "A"), ("a) a proton", "A"), ("**B.** 4 eV", "B"), ("B. The mitochondria", "B"), ("B. mitochondria", "B"), ("Answer: B. mitochondria", "B"), ("Answer: B) 4", "B"), ("Answer: (C) none of the above", "C"), ("Answer: D - 4 eV", "D"), ("B – 4 eV", "B"), ("Answer: E. 4", "E"), ("Answer: E. None of these", "E"), ("c.", "C"), ("The answer is B: 4 eV", "B"), ("Answer: B, because it is lighter.", "B"), ("b.", "B"), ("(B): 4", "B"), ("[B] 4", "B"),
    # words that begin like an option
    ("Answer: E. coli", None), ("E. coli", None), ("Answer: C. elegans", None), ("Answer: B. subtilis", None), ("Answer: D. melanogaster", None), ("Answer: A. thaliana", None), ("The answer is E. coli.", None), ("Answer: A proton", None), ("Answer: a proton", None), ("Answer: Carbon", None), ("Answer: D'Alembert", None), ("Answer: C++", None), ("Answer: B12", None), ("Answer: A-type", None), ("Answer: C-14", None), ("Answer: B cells", None), ("Answer: A bond forms", None), ("The answer is A lot of energy.", None), ("Answer: e.g. 4", None), ("Answer: i.e. 4", None), ("Answer: D. H. Lawrence", None), ("Answer: I think so", None), ("A good question", None), ("Answer: C. difficile", None), ("Answer: H2O", None), ("Answer: C = 3", None), ("Answer: D2O", None), ("Answer: A2B", None), ("Answer: E=mc^2", None), ("a cat", None), ("I", "I"), ("Answer: G. lamblia", None), ("Answer: e", "E"), ("Answer: 4", None), ("Answer: AB", None), ("Answer: A.B.", None), ("Answer: Dr. No", None),
]  # fmt: skip
