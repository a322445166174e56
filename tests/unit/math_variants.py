# ruff: noqa: E501 - a table reads better with a case a line
r"""Answers as people really write them, by kind: pairs (boxed answer, reference) that are equal, and that are not.

Judged by hand, most of them before the verifier existed that they are for.
"""

from __future__ import annotations

EQUAL: dict[str, list[tuple[str, str]]] = {
    "braces around one token": [
        (r"\mathbb Z", r"\mathbb{Z}"), (r"a_0+x^2", r"a_{0}+x^{2}"), (r"\frac1{2}", r"\frac{1}{2}"), (r"\sqrt2", r"\sqrt{2}"),
        (r"\sqrt 2", r"\sqrt{2}"), (r"\mathcal{C}", r"\mathcal C"), (r"{x}+{y}", "x+y"), (r"\log_2 3", r"\log_{2}{3}"),
        (r"\binom52", r"\binom{5}{2}"), (r"\mathbb{Q}(\sqrt2)", r"\mathbb Q(\sqrt{2})"), (r"\hat x", r"\hat{x}"),
        (r"\overline{z}", r"\overline z"), (r"S_{n}", "S_n"), (r"\mathbb{Z}_{p}", r"\mathbb Z_p"), (r"x^{y}", "x^y"),
        (r"\mathbb{R}^n", r"\mathbb R^{n}"), (r"\sin{x}", r"\sin x"), (r"\frac{1}2", r"\frac12"), (r"{\pi}", r"\pi"),
        (r"\aleph_{0}", r"\aleph_0"), (r"2^{\aleph_{0}}", r"2^{\aleph_0}"), (r"e^{x}", "e^x"), (r"\frac\pi2", r"\frac{\pi}{2}"),
        (r"\frac{\pi}2", r"\frac\pi{2}"), (r"\frac n2", r"\frac{n}{2}"), (r"\sqrt[3]2", r"\sqrt[3]{2}"), (r"\sqrt[{3}]{2}", r"\sqrt[3]2"),
        (r"H^{2}(M)", "H^2(M)"), (r"\mathfrak c", r"\mathfrak{c}"), (r"x_{1}^{2}", "x^2_1"), (r"\Bbb Z", r"\mathbb{Z}"),
    ],
    "plain text": [
        ("pi/3", r"\frac{\pi}{3}"), ("ln(2)", r"\ln 2"), ("x**2+1", "x^2+1"), ("2pi", r"2\pi"), ("2*pi", r"2\pi"),
        ("sqrt(2)", r"\sqrt{2}"), ("sqrt(3)/2", r"\frac{\sqrt{3}}{2}"), ("sin(pi/4)", r"\frac{\sqrt2}{2}"), ("exp(2)", "e^2"),
        ("log(8)/log(2)", "3"), ("(x+1)**(1/2)", r"\sqrt{x+1}"), ("2^(1/3)", r"\sqrt[3]{2}"), ("e^(-1)", r"\frac1e"),
        ("infinity", r"\infty"), ("oo", r"\infty"), ("-inf", r"-\infty"), ("x >= 2", r"x \ge 2"), ("x <= 2", r"x\leq2"),
        ("x != 2", r"x\neq 2"), ("arctan(1)", r"\frac{\pi}{4}"), ("cos(x)**2", r"\cos^2 x"), ("abs(x)", "|x|"),
        ("cbrt(2)", r"\sqrt[3]{2}"), ("theta/2", r"\frac{\theta}{2}"), ("alpha + beta", r"\alpha+\beta"), ("pi^2/6", r"\frac{\pi^2}{6}"),
        ("sqrt2/2", r"\frac{\sqrt{2}}{2}"), ("1/(2*sqrt(3))", r"\frac{\sqrt3}{6}"), ("x**-1", "1/x"), ("3*x*y", "3xy"),
        ("(-oo, 2)", r"(-\infty,2)"), ("log2(8)", "3"), ("2 pi r", r"2\pi r"), ("sinx", r"\sin x"), ("sqrt(x^2+1)", r"\sqrt{x^2+1}"),
        ("floor(n/2)", r"\lfloor n/2\rfloor"), ("max(a,b)", r"\max\{a,b\}"), ("atan(2)", r"\arctan 2"), ("n(n+1)/2", r"\frac{n(n+1)}{2}"),
        ("e^(i*pi)", "-1"), ("frac{1}{2}", r"\frac12"), ("2*10^3", "2000"), ("1.5*10**3", "1500"), ("pi", r"\pi"), ("tan^-1(1)", r"\frac{\pi}{4}"),
        ("(1+sqrt(5))/2", r"\frac{1+\sqrt5}{2}"), ("5 choose 2", "10"),
    ],
    "upright letters": [
        (r"\mathrm{e}^{-1}", "1/e"), (r"2+3\mathrm{i}", "3i+2"), (r"\mathrm e^2", "e^2"), (r"{\rm e}^2", "e^2"), (r"\operatorname{e}^2", "e^2"),
        (r"\text{i}", "i"), (r"\mathrm{e}^{\mathrm{i}\pi}", "-1"), (r"\mathit{e}", "e"), (r"2\mathrm{i}", r"2i"), (r"\mathrm{\pi}", r"\pi"),
        (r"\operatorname{ln} 2", r"\ln 2"), (r"\mathrm{ln}\,2", r"\ln 2"), (r"\operatorname{arctan}(1)", r"\pi/4"), (r"\mathrm{sin}(x)", r"\sin x"),
        (r"\uppi", r"\pi"), (r"\mathrm{C}e^{-x}", "Ce^{-x}"), (r"\imath", "i"), (r"3\textrm{i}", "3i"), (r"\mathsf{e}", "e"),
    ],
    "decoration": [
        (r"\boldsymbol{12}", "12"), (r"\bm{12}", "12"), (r"\mathbf{12}", "12"), (r"\textbf{12}", "12"), (r"\textcolor{red}{12}", "12"),
        (r"{\color{red}12}", "12"), (r"\color{red}{12}", "12"), (r"\color{blue} 12", "12"), (r"\bf 12", "12"), (r"{\bf 12}", "12"), (r"\mathit{12}", "12"), (r"\mathsf{12}", "12"),
        (r"\underline{12}", "12"), (r"\fbox{12}", "12"), (r"\displaystyle 12", "12"), (r"\large 12", "12"), (r"\emph{12}", "12"), (r"\text{12}", "12"),
        (r"\mbox{12}", "12"), (r"\bigl(1,2\bigr)", "(1,2)"), (r"\left(1,2\right)", "(1,2)"), (r"\tfrac12", r"\frac{1}{2}"), (r"\cfrac{1}{2}", r"\frac12"),
        (r"**12**", "12"), (r"`12`", "12"), (r"$12$", "12"), (r"\(12\)", "12"), (r"\ensuremath{12}", "12"), (r"12\quad", "12"), (r"\;12\;", "12"),
        (r"\hspace{1mm}12", "12"), (r"\mathbf{\frac{1}{2}}", r"\frac12"), (r"\boldsymbol{\dfrac{\pi}{2}}", r"\frac{\pi}{2}"), (r"\boxed{12}", "12"), (r"\underline{\underline{12}}", "12"),
        (r"\textcolor{red}{\boldsymbol{\frac12}}", "0.5"), (r"\colorbox{yellow}{12}", "12"), (r"\textit{12}", "12"), (r"\mathrm{12}", "12"), (r"\texttt{12}", "12"),
        (r"\mathstrut 12", "12"), (r"\vphantom{X}12", "12"), (r"\Large{12}", "12"), (r"\mathbf{x}+1", "x+1"), (r"\boldsymbol{\alpha}", r"\alpha"),
        (r"\big[0,1\big]", "[0,1]"), (r"12\phantom{0}", "12"), (r"\pmb{12}", "12"), (r"\text{\textbf{12}}", "12"), (r"\underbrace{12}", "12"), (r"\mathinner{12}", "12"),
        (r"\Big(\frac12,3\Big)", r"(\tfrac12, 3)"), (r"\textstyle\frac12", "1/2"), (r"\text{$12$}", "12"), (r"\bold{12}", "12"), (r"\mathbf{(1,2)}", "(1,2)"),
    ],
    "leading relation": [
        (r"\delta(t-5)", r"y = \delta(t - 5)"), (r"\lambda", r"x=\lambda"), ("k", "x = k"), ("S_5", "x=S_5"), (r"\frac{n}{2}", r"\sim \frac{n}{2}"), (r"p \land q", r"= p \land q"), (r"\sim p", r"= \sim p"),
        (r"\approx 12", "12"), (r"= \frac12", r"\frac{1}{2}"), ("x = 12", "12"), (r"\simeq 12", "12"), ("≈ 12", "12"), (": 12", "12"), (r"\sim 12", "12"),
        (r"\equiv 12", "12"), ("==12", "12"), ("=-12", "-12"), (r"x \approx 3.14", "3.14"), (r"\approx 3.14", r"\approx 3.14"), ("12", r"\approx 12"), (r"\therefore 12", "12"),
        (r"\Rightarrow 12", "12"), (r"\implies x = 12", "12"), (r"\sqrt2 \approx 1.414", r"\sqrt{2}"), (r"\sqrt2 \approx 1.414", "1.414"), (r"\approx\frac{1}{2}", "0.5"), (r"f(x) = x^2", "x^2"),
        (r"x = 3 + 9 = 12", "12"), (r"\cong 12", "12"), (r"\doteq 12", "12"), ("~12", "12"), (r"S = \frac12", r"\frac12"), (r"\text{Area} = 12", "12"), (r"P(A) = \frac{1}{2}", "1/2"),
        (r"AB = 5", "5"), (r"\angle ABC = 60^\circ", r"60^\circ"), (r"y' = 2x", "2x"), (r"a_n = n^2", "n^2"), (r"x_1 = 3", "3"), (r"\alpha = 3", "3"), (r"x:=3", "3"), (r"x \coloneqq 3", "3"),
        (r"\text{Answer: }12", "12"), (r"\text{The answer is }12", "12"), (r"\frac{dy}{dx} = 2x", "2x"), (r"\log_2 8 = 3", "3"), ("4!=24", "24"),
    ],
    "trailing punctuation": [
        (r"\frac12,", r"\frac{1}{2}"), ("12.", "12"), ("12;", "12"), ("12:", "12"), ("12。", "12"), ("12 .", "12"), (r"\frac12\,.", r"\frac12"), (r"12\,", "12"),
        (r"12\\", "12"), ("1,2,", "1,2"), ("(1,2).", "(1,2)"), ("1.5.", "1.5"), ("12,,", "12"), ("x+1,", "x+1"), ("12，", "12"), ("12;.", "12"), (r"12\text{.}", "12"), ("12. ", "12"),
        (r"12~.", "12"), (r"\pi.", r"\pi"), ("Yes.", "Yes"), ("Yes,", "Yes"), ("12", "12."), ("12", "12,"), (r"x \ge 2.", r"x\ge2"), (r"12 \checkmark", "12"), (r"12\ \blacksquare", "12"), (r"12 \qquad \square", "12"),
    ],
    "plus or minus": [
        (r"\frac{3\pm\sqrt{17}}{4}", r"\frac{3+\sqrt{17}}{4}, \frac{3-\sqrt{17}}{4}"), (r"\pm 2", r"2,-2"), ("±2", r"\{-2,2\}"), (r"1\pm\sqrt2", r"1+\sqrt2, 1-\sqrt2"),
        ("+/- 2", "2,-2"), ("+-2", r"\pm 2"), (r"x=\pm2", "2, -2"), (r"x = 2 \text{ or } x = -2", r"\pm 2"), (r"\pm\frac12", r"\frac12, -\frac12"), (r"\mp 2", r"\pm 2"),
        (r"\sqrt2\pm1", r"1+\sqrt2, \sqrt2-1"), (r"\{1\pm\sqrt5,-2\}", r"\{1+\sqrt5,1-\sqrt5,-2\}"), (r"1, \pm 2", "1,2,-2"), (r"(\pm 1, 0)", "(1,0),(-1,0)"), (r"-1 \pm 2i", "-1+2i, -1-2i"),
        (r"\pm \sqrt{ab}", r"\sqrt{ab}, -\sqrt{ab}"), (r"x_{1,2} = 1 \pm \sqrt{3}", r"1+\sqrt3, 1-\sqrt3"), (r"\{\pm 1\}", r"\{1,-1\}"), (r"1 \mp \sqrt{19}", r"1 \pm \sqrt{19}"), (r"\frac{-1\pm i\sqrt3}{2}", r"-\frac12\pm\frac{\sqrt3}{2}i"),
        (r"\pm1,\pm2", "1,-1,2,-2"), (r"\pm1\pm i", "1+i,1-i,-1+i,-1-i"), (r"(20, \pm 89)", "(20,89),(20,-89)"),
    ],
    "units": [
        (r"5\text{ cm}", "5"), ("5", r"5\text{ cm}"), ("5 cm", r"5\text{ cm}"), (r"5\,\mathrm{cm}", "5 cm"), (r"5 \mathrm{~cm}", "5"), ("5 centimeters", "5 cm"), (r"5\ \text{cm}^2", "5"), (r"5\text{ cm}^2", r"5\text{ square centimeters}"),
        (r"\$5", "5"), ("5 dollars", r"\$5"), (r"5\text{ miles per hour}", "5 mph"), (r"5\text{ m/s}", r"5\ \frac{\text{m}}{\text{s}}"), (r"5\text{ units}", "5"), (r"12\text{ apples}", "12"), (r"18\text{ hours}", "18"),
        (r"864 \mbox{ inches}^2", "864"), (r"5.4 \text{ cents}", "5.4"), (r"\frac{1}{2}\text{ hour}", r"\frac12"), (r"52\text{ ways}", "52"), (r"5\ \Omega", r"5\text{ ohms}"), (r"5 \text{ kg}\cdot\text{m}/\text{s}^2", r"5\text{ N}"),
        (r"1.85\ \text{USD}", "1.85"), (r"\$1.85", r"1.85\ \text{USD}"), (r"5\text{ cubic meters}", r"5\text{ m}^3"), ("5 km/h", r"5\text{ km/hr}"), (r"5\,\text{m}\,\text{s}^{-1}", "5 m/s"), (r"50\text{ mm}", r"5\text{ cm}"), (r"\text{5 cm}", "5"), (r"€5", "5"),
        (r"5\text{ square units}", "5"), (r"5\text{ sq. ft}", r"5\text{ ft}^2"), (r"3\text{ dollars}", r"\$3.00"), (r"120\text{ minutes}", r"2\text{ hours}"), (r"0.25\,\text{ cm}", r"0.25\text{ centimetres}"), (r"5 \text{ students}", "5"), (r"\frac{37}{4}\text{ m}", r"\frac{37}{4}"), ("30 sec", r"30\text{ seconds}"),
        (r"2\pi\text{ rad}", r"2\pi"), (r"3.5 \times 10^{8} \text{ m/s}", "3.5e8"), (r"x = 5\text{ cm}", "5"), (r"V = 5 \text{ L}", r"5\text{ liters}"), (r"1,\!200 \text{ people}", "1200"), (r"5\text{ }\mathrm{cm}", "5"), (r"\text{\$}5", "5"), (r"5\textrm{ cm}", "5"),
    ],
    "percent": [
        (r"50\%", "50"), ("50", r"50\%"), (r"50\%", r"50\%"), ("50%", r"50\%"), ("50 percent", r"50\%"), (r"50\text{ percent}", "50"), (r"50\text{ per cent}", r"50\%"), (r"50\%", "0.5"), (r"\frac12", r"50\%"), (r"12.5\%", r"\frac18"),
        (r"12.5\%", "12.5"), (r"\frac{100}{3}\%", r"33\frac13\%"), (r"33\frac13\%", r"\frac13"), (r"100\%", "1"), (r"50.0\%", r"50\%"), (r"5.10\%", "5.1"), (r"\text{50\%}", "50"), (r"50\,\%", "50%"), (r"x = 50\%", "50"),
    ],
    "degrees": [
        (r"30^\circ", "30"), (r"30^{\circ}", "30"), ("30°", r"30^\circ"), ("30 degrees", r"30^\circ"), (r"30\text{ degrees}", "30"), (r"30\degree", "30"), ("30 deg", r"30^\circ"), (r"\frac{\pi}{6}", r"30^\circ"), (r"30^\circ", r"\frac{\pi}{6}"),
        (r"\sin 30^\circ", r"\frac12"), (r"\cos 60°", "0.5"), ("30", r"30^{\circ}"), (r"\angle A = 30^\circ", "30"), (r"18.5^\circ", "18.5"), (r"30{}^\circ", "30"), (r"30^{\text{o}}", "30"), (r"(6,235^\circ)", r"(6,235^{\circ})"), (r"\frac{1}{\sin(1^\circ)}", r"\csc 1^\circ"),
        (r"x < 60^\circ", "x<60°"), (r"20^\circ\text{C}", "20 °C"), (r"37 ^\circ C", "37"),
    ],
    "bases": [
        (r"(63)_8", "63_8"), (r"63_{8}", "63_8"), (r"63_{(8)}", "63_8"), (r"63_{\text{8}}", "63_8"), (r"(63)_{8}", r"(63)_8"), (r"63_{\text{eight}}", "63_8"), (r"\text{63}_8", "63_8"), (r"1A_{16}", "1a_{16}"), (r"0101_2", "101_2"), (r"(1010)_{2}", "1010_2"),
        (r"63_{\text{base }8}", "63_8"), (r"63\text{ (base 8)}", "63_8"), (r"63 \text{ in base } 8", "63_8"), ("63₈", "63_8"), (r"{63}_{8}", "63_8"),
    ],
    "sets and inequalities": [
        (r"x\le-2 \text{ or } x\ge2", r"(-\infty,-2]\cup[2,\infty)"), (r"[2,\infty)\cup(-\infty,-2]", r"(-\infty,-2]\cup[2,\infty)"), (r"2<x<3", "(2,3)"), (r"x>2", "2<x"), (r"x\in(2,3)", "(2,3)"), (r"(1,2]\cup[2,3)", "(1,3)"),
        (r"\mathbb{R}\setminus\{2\}", r"x\ne2"), (r"(-\infty,2)\cup(2,\infty)", r"\mathbb{R}\setminus\{2\}"), (r"\{x : x>2\}", r"(2,\infty)"), (r"\{x \mid x > 2\}", "x>2"), (r"\{x\in\mathbb{R} \mid x>2\}", r"(2,\infty)"), (r"\emptyset", r"\varnothing"), (r"\{\}", r"\emptyset"),
        (r"\{1,2\}", "1,2"), (r"\{2,1\}", r"\{1,2\}"), ("1 and 2", "1,2"), ("1 or 2", "2,1"), (r"x=1, y=2", "(1,2)"), (r"y=2, x=1", "(1,2)"), ("1; 2", "1,2"), (r"x \ge 2 \text{ and } x \le 3", "[2,3]"), (r"x\leq -2 \lor x\geq 2", r"x\le-2\text{ or }x\ge2"),
        (r"-2<x", r"(-2,\infty)"), (r"(-2,\infty)", r"(-2,+\infty)"), (r"\mathbb{R}", r"(-\infty,\infty)"), (r"3 \ge x > 2", "(2,3]"), (r"(2,3),(0,1)", "(0,1),(2,3)"), (r"\{(1,2),(3,4)\}", "(3,4),(1,2)"), (r"x \in \{1,2\}", "1,2"), (r"x\neq -1, x\ne 1", r"\mathbb{R}\setminus\{-1,1\}"),
        (r"x<-2, x>2", r"(-\infty,-2)\cup(2,\infty)"), (r"\mathbb R - \{2\}", r"\mathbb{R}\setminus\{2\}"), (r"2k+1 \le x", r"x \ge 2k+1"), (r"[1,2]\cap[2,3]", r"\{2\}"), (r"a<b", "b>a"), (r"x = 1 \text{ and } y = 2", "(x,y)=(1,2)"), (r"(x,y) = (1,2)", "(1,2)"), ("]2,3[", "(2,3)"),
        (r"\{x | 2<x<3\}", "(2,3)"), (r"x\in(-\infty,-2]\cup[2,+\infty)", r"x\ge 2\text{ or }x \le -2"), (r"1 < x < 2 \text{ or } 3 < x < 4", r"(1,2)\cup(3,4)"), (r"x > 2 \text{ or } x < -2", r"(-\infty,-2)\cup(2,\infty)"), (r"\left(-\infty, 2\right)", "x<2"), ("1 < 2x < 4", "(1/2, 2)"), ("2x > 4", "x > 2"), ("-x < 2", "x > -2"),
    ],
    "multisets": [
        ("1,1,2", "1,2,1"), (r"2,1,1", "1,1,2"), (r"\{1,1,2\}", r"\{2,1,1\}"), (r"(1,1,2)", "(1,1,2)"), ("3, 5, 7", "7,5,3"), ("i, -i", "-i,i"), (r"\{\frac12,2\}", r"\{2,0.5\}"), ("x=1, x=1, x=2", "1,1,2"), ("a,b", "b,a"), (r"1,\,2,\,3", "1,2,3"),
    ],
    "size": [
        ("2^{2024}", "4^{1012}"), (r"3^{1000}", "9^{500}"), ("100!", r"99!\cdot 100"), ("9^{9^{9^9}}", "9^{9^{9^9}}"), (r"10^{-90}", r"0.1^{90}"), (r"2^{-1000}", r"\frac{1}{2^{1000}}"), (r"1-2^{-99}", r"\frac{2^{99}-1}{2^{99}}"), (r"\sqrt{10^{200}}", "10^{100}"), (r"10^{10^{10}}", "10^{10^{10}}"), (r"2^{1730}+1728", "1728+2^{1730}"),
        (r"2^{100000}", "4^{50000}"), (r"e^{-1000}", r"\frac{1}{e^{1000}}"), (r"\frac{2020!}{2019!}", "2020"), (r"\binom{100}{50}", r"\frac{100!}{50!\cdot 50!}"), (r"\ln(2^{1000})", r"1000\ln 2"), ("1e400", "10^{400}"), (r"\frac{10^{500}}{10^{499}}", "10"), (r"7^{2^{10}}", "7^{1024}"), ("10^{100}+1", "1+10^{100}"),
    ],
    "words of size": [
        (r"3\text{ million}", "3000000"), (r"3\text{ million}", "3 million"), ("1.5 million", "1500000"), (r"\$3\text{ million}", "3000000"), (r"3\text{ million dollars}", r"\$3{,}000{,}000"), (r"2\text{ billion}", "2e9"), (r"3\text{ hundred}", "300"), (r"2\text{ dozen}", "24"), (r"5\text{ thousand}", "5000"), (r"3\text{ hundred thousand}", "300000"),
        (r"1.2\text{ trillion}", r"1.2\times10^{12}"), ("3 million people", "3000000"), (r"\text{3 million}", r"3\times10^6"), (r"3~\text{million}", "3,000,000"), ("twelve", "12"), (r"\text{five}", "5"), ("3", "three"),
    ],
    "primes and transposes": [
        (r"y^{\prime}", "y'"), (r"y^{\prime\prime}", "y''"), ("f''(x)", r"f^{\prime\prime}(x)"), (r"A^\top", "A^T"), (r"A^{\mathsf T}", "A^T"), (r"A^{T}A", "A^TA"), (r"y''+y=0", "y+y''=0"), (r"f'(0)+1", "1+f'(0)"), ("y’", "y'"), (r"y^\prime", "y'"), (r"A^{\intercal}", r"A^\top"), (r"X^{\mathrm T}X", "X^TX"), (r"2f'(x)", r"f'(x)\cdot 2"),
        (r"z^*", r"z^{*}"), (r"\bar z", r"\bar{z}"), (r"f^{(4)}(x)", "f^{(4)}(x)"), (r"-2 f''(x)", "-2f''(x)"),
    ],
    "not understood whole": [
        (r"\star 12", r"\star 12"), (r"A \oplus B", r"A\oplus B"), (r"f\circ g", r"f \circ g"), (r"G/N \cong K", r"G/N\cong K"), (r"\langle 1,2\rangle", r"\langle 1, 2 \rangle"), (r"n \equiv 0 \pmod{4}", r"n\equiv 0\pmod 4"), (r"\forall x: Q(x)", r"\forall x : Q(x)"), (r"\int_0^1 x^{-x}\,dx", r"\int_{0}^{1} x^{-x} dx"),
        (r"\dim(V) - m", r"\dim (V)-m"), (r"O(n\log n)", r"O(n \log n)"), (r"\mathcal{O}(n^2)", r"\mathcal O(n^2)"), (r"3x \bmod 15", r"3x\bmod15"), (r"\begin{cases} x = 1 - t \\ y = 1 + t \end{cases}", r"\begin{cases}x=1-t\\y=1+t\end{cases}"), ("2:3", "2 : 3"),
    ],
    "all kinds of formulas": [
        (r"\frac{\pi}{3} \text{ radians}", r"\frac{\pi}{3}"), (r"\pi/3 rad", r"60^\circ"), (r"60\text{ degrees}", r"\frac{\pi}{3}"), ("x^{2}+2x+1", "(x+1)^2"), ("(x + 1)^{2}", "x^2+2x+1"), (r"\left(x+1\right)^2", "x^2 + 2x + 1"),
        (r"e^{2\ln 3}", "9"), (r"\ln e", "1"), (r"\log_{10}100", "2"), (r"\log 100", "2"), (r"\log_2(8)", "3"), (r"\lg 100", "2"), (r"\sqrt[3]{-8}", "-2"), ("(-8)^{1/3}", "-2"), (r"\sqrt{50}", r"5\sqrt2"),
        (r"\sqrt{\frac{1}{2}}", r"\frac{\sqrt2}{2}"), (r"2\frac{1}{2}", "2.5"), (r"2 \frac{1}{2}", r"\frac52"), (r"-2\frac12", "-2.5"), (r"0.\overline{3}", r"\frac13"), (r"0.\bar{3}", "1/3"), (r"0.3\overline{3}", "1/3"),
        ("0.333...", "1/3"), (r"0.333\ldots", "1/3"), (r"\dfrac{x^2-1}{x-1}", "x+1"), (r"\sin^2\theta+\cos^2\theta", "1"), (r"\sec^2 x - \tan^2 x", "1"), (r"\sin(2x)", r"2\sin x\cos x"), (r"\cos^{-1}(0)", r"\frac\pi2"),
        (r"\arcsin\frac12", r"\frac\pi6"), (r"\tan^{-1} 1", r"45^\circ"), (r"\binom{n}{2}", r"\frac{n(n-1)}{2}"), (r"{n \choose 2}", r"\frac{n(n-1)}{2}"), ("n!/(n-1)!", "n"), (r"\frac{n!}{(n-2)!}", "n(n-1)"),
        (r"\begin{bmatrix}1&2\\3&4\end{bmatrix}", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"), (r"\begin{array}{cc}1&2\\3&4\end{array}", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"),
        (r"\left[\begin{array}{c}1\\2\end{array}\right]", r"\begin{pmatrix}1\\2\end{pmatrix}"), (r"\left(\begin{matrix}1\\2\end{matrix}\right)", r"\begin{pmatrix}1\\2\end{pmatrix}"),
        ("[[1,2],[3,4]]", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"), ("(1, 2, 3)", "1,2,3"), (r"\langle 1,2,3\rangle", "(1,2,3)"), (r"\{1, 2, 3\}", "3,2,1"), (r"1,2\text{ and }3", "1,2,3"), (r"1, 2, \text{ or } 3", "1,2,3"),
        (r"1\text{ or }2\text{ or }3", "1,2,3"), (r"x\in\{1,2\}", r"x=1\text{ or }x=2"), ("x=1,2", "1,2"), ("x_1=1, x_2=2", "1,2"), (r"a=1,\ b=2", "(a,b)=(1,2)"), ("m=3,n=4", "(3,4)"), (r"\text{Yes}", "yes"), (r"\text{yes.}", "Yes"),
        (r"\textbf{Yes}", "Yes"), ("Yes, it does", "Yes"), (r"\text{True}", "true"), (r"\text{does not exist}", "DNE"), (r"\text{undefined}", "Undefined"), (r"\text{No solution}", "no solution"), (r"\emptyset", "no solution"),
        (r"\text{(B)}", "B"), ("B", r"\text{(B)}"), ("(B)", "B"), (r"\mathrm{B}", "B"), (r"\text{B}", "(B)"), (r"\text{Monday}", "Monday"), ("Monday", r"\text{Monday}"), ("3:4", "3:4"), ("3 : 4", "3:4"), ("12:30", "12:30"),
        (r"\$1{,}000", "1000"), (r"1\,000", "1000"), ("1000.00", "1000"), (r"\$1000.00", "1000"), ("1,000.00", "1000"), ("1 000", "1000"), (r"5.0\times10^{3}", "5000"), (r"5\cdot 10^3", "5000"), ("5e3", "5000"), ("5E+3", "5000"),
        (r"5 \times 10^{-3}", "0.005"), ("5 x 10^3", "5000"), (r"x\geq 3", r"[3,\infty)"), (r"x \ge 3", "x>=3"), (r"[3, +\infty)", r"[3,\infty)"), (r"[3,\infty[", r"[3,\infty)"), (r"3 \leq x < \infty", r"[3,\infty)"),
        (r"x\in[3,\infty)", r"x\ge3"), (r"\{x\mid x\geq3\}", r"x\ge3"), (r"(-\infty,1)\cup(1,\infty)", r"x\neq1"), (r"\mathbb{R}\backslash\{1\}", r"x\neq1"), (r"\mathbb{R} \setminus \{1\}", r"(-\infty,1)\cup(1,\infty)"),
        (r"x \in \mathbb{R}, x\neq 1", r"x\neq1"), (r"\text{all real numbers}", r"\mathbb{R}"), (r"-\frac{1}{2}", r"\frac{-1}{2}"), (r"\frac{1}{-2}", "-0.5"), ("-(1/2)", "-0.5"), (r"-\frac{3}{4}x", "-0.75x"),
        (r"\frac{a+b}{2}", r"\frac{a}{2}+\frac{b}{2}"), (r"\frac{1}{2}(a+b)", r"\frac{a+b}{2}"), ("a^{-1}", r"\frac1a"), (r"\sqrt{ab}", r"\sqrt a\sqrt b"), (r"\sqrt{a/b}", r"\frac{\sqrt a}{\sqrt b}"), (r"\sqrt{a^2}", "|a|"),
        (r"\ln(ab)", r"\ln a+\ln b"), (r"\infty", r"+\infty"), (r"\text{infinity}", r"\infty"), (r"\text{Infinity}", r"\infty"), ("∞", "infinity"), (r"\frac{1}{2}+C", r"\frac12+C"), (r"\ln|x|+C", r"\ln|x| + C"), ("y=2x+3", "2x+3"),
        ("y = 2x+3", "y-2x=3"), ("2x-y+3=0", "y=2x+3"), ("y-3=2x", "y=2x+3"), ("4x - 2y + 6 = 0", "y=2x+3"), ("x^2+y^2-4=0", "x^2+y^2=4"), ("y=1/x", "xy=1"), ("f(x)=2x+3", "y=2x+3"), ("f^{-1}(x)=2x", "2x"), (r"\lfloor 3.7\rfloor", "3"),
        ("|{-5}|", "5"), (r"\max(3,5)", "5"), (r"\gcd(12,18)", "6"), (r"\lceil 2.1 \rceil", "3"), (r"\text{22 cm}", "22"), (r"22\ \text{cm}", "22 cm"), (r"22\,cm", "22"), ("22cm", "22"), ("22cm^2", "22"), (r"22 \text{ square cm}", "22"),
        (r"22\text{ sq cm}", "22"), (r"22 \, \text{cm}^2", "22"), (r"22\text{ cm}^{2}", "22"), (r"22 \mathrm{\,cm^2}", "22"), (r"22\ {\rm cm}", "22"), (r"22\ \mathrm{m/s^2}", "22"), (r"22\ \text{m}\cdot\text{s}^{-2}", "22"),
        (r"22\,\frac{\mathrm{m}}{\mathrm{s}}", "22"), (r"22 \text{ miles/hour}", "22"), (r"22 \text{ km per hour}", "22"), (r"22\text{ N}\cdot\text{m}", "22"), (r"9.8 \text{ m/s}^2", "9.8"), (r"22\ ^\circ\mathrm{C}", "22"),
        (r"22 \text{ kilograms}", "22"), (r"22 \text{ people}", "22"), (r"22 \text{ integers}", "22"), (r"22 \text{ (people)}", "22"), (r"22 \text{ years old}", "22"), (r"\text{about }22", "22"), (r"22 \text{ total}", "22"),
        (r"22\text{ triangles}", "22"), (r"22\text{ unique ways}", "22"), (r"22 \text{ students in total}", "22"), (r"22!\text{ ways}", "22!"), (r"4\text{ or }-4", r"\pm4"), (r"x=\pm\sqrt{2}", r"\pm\sqrt2"), (r"\pm i", "i,-i"),
        (r"-2\pm\sqrt3", r"-2+\sqrt3,-2-\sqrt3"), (r"\frac{1\pm\sqrt5}{2}", r"\frac{1+\sqrt5}{2},\frac{1-\sqrt5}{2}"), (r"\mathbf{v}=(1,2)", "(1,2)"), (r"\vec{v}=\langle1,2\rangle", "(1,2)"), (r"2\mathbf{i}+3\mathbf{j}", "2i+3j"),
        (r"\sum_{k=1}^{n}k", r"\sum_{k=1}^n k"), (r"x=2n\pi", r"2\pi n"), ("1/3", "0.3333333"), ("3.141593", r"\pi"), ("2.718281828", "e"), ("1.4142135", r"\sqrt2"), (r"10\%", "0.1"), (r"0.1\%", "0.001"), (r"10\%", "10"),
        (r"25\%", r"\frac14"), ("25", r"25\%"), (r"\text{A} \cup \text{B}", r"A\cup B"), (r"B\cup A", r"A\cup B"), ("f'(x)=2x", "2x"), (r"x^2 \cdot y", "x^2y"), ("xy", "yx"), ("2(3)", "6"), (r"2\cdot 3", "6"), ("(2)(3)", "6"),
        ("2^{3^2}", "512"), ("(2^3)^2", "64"), ("2^{-1}", "0.5"),
    ],
}  # fmt: skip

DIFFERENT: dict[str, list[tuple[str, str]]] = {
    "braces around one token": [
        (r"\mathbb Z", r"\mathbb{Q}"), ("a_0", "a_1"), ("x^2", "x_2"), (r"\frac12", r"\frac21"), (r"\mathbb{Z}_2", r"\mathbb{Z}^2"), (r"x^{12}", "x^1"), (r"\sqrt{2}3", r"\sqrt{23}"), (r"2^{n}", "2n"), (r"x_{12}", "x_1"), (r"\frac{1}{2}3", r"\frac{1}{23}"), (r"\mathbb{Z}", "Z_2"), (r"\mathcal{C}", "c"),
        (r"x^{10}", "x^{1}0"), (r"2^{10}", "2^{1}0"), (r"\log_2 3", r"\log_{23}"),
    ],
    "plain text": [
        ("pi/3", r"\frac{\pi}{4}"), ("ln(2)", r"\ln 3"), ("x**2", "2x"), ("x**2", "x*2"), ("exp(2)", "2e"), ("sqrt(2)", "2"), ("sqrt(2)", "sqrt(3)"), ("2pi", r"\pi^2"), ("sin(2)", r"\cos 2"), ("ln(2)", "2"), ("infinity", r"-\infty"), ("1/2*x", r"\frac{1}{2x}"), ("1/2x", "2x"),
        ("e^-1", "-e"), ("x >= 2", "x > 2"), ("x != 2", "x = 2"), ("log2(8)", "8"), ("2^1/3", r"\sqrt[3]{2}"), ("abs(x)", "x"), ("pi", "p"), ("sinx", "x"), ("max(a,b)", r"\min\{a,b\}"),
    ],
    "upright letters": [
        (r"3\mathrm{i}", "3"), (r"2\mathrm{e}", "2"), (r"5+\mathrm{i}", "5"), (r"\mathrm{e}^{2}", "2"), (r"\mathrm{i}", "1"), (r"3\operatorname{i}", "3"), (r"10\mathrm{e}", "10"), (r"3\mathrm{i}", "-3i"), (r"\mathrm{e}", "1"), (r"2+3\mathrm{i}", "2"), (r"2+3\mathrm{i}", "2-3i"), (r"\mathrm{e}^{-1}", "e"),
        (r"3\text{i}", "3"), (r"3\textrm{e}", "3"), (r"3{\rm i}", "3"), (r"3\pi", "3"), (r"3\mathrm{x}", "3"),
    ],
    "decoration": [
        (r"\boldsymbol{12}", "13"), (r"\textcolor{red}{12}", "13"), (r"\overline{12}", "12"), (r"\sqrt{12}", "12"), (r"\bar{x}", "x"), (r"\hat{x}", "x"), (r"\dot{x}", "x"), (r"\tilde{x}", "x"), (r"\bf 12", "2"), (r"\cancel{12}", "12"), (r"\phantom{1}2", "12"), (r"\not 12", "12"), (r"\neg A", "A"),
        (r"\textcolor{red}{1}2", "2"), (r"\mathbf{1}2", "1"), (r"\boldsymbol{-}12", "12"), (r"-\boldsymbol{12}", "12"), (r"\boldsymbol{1}/\boldsymbol{2}", "12"), (r"\underline{1}2", "1"), (r"\bigl(1,2\bigr]", "(1,2)"), (r"\left[1,2\right)", "[1,2]"), (r"\xcancel{5}", "5"), (r"\sout{5}", "5"),
        (r"\large 12", r"\large 21"), (r"0.\overline{12}", "0.12"), (r"\overline{z}", "z"), (r"\underline{12}", r"\underline{21}"), (r"\color{12}{7}", "12"), (r"\text{not }12", "12"), (r"\vphantom{12}", "12"),
    ],
    "leading relation": [
        ("f(x)", "x = f(x)"), ("y", "x = y"), ("x_0", "x = x_0"), ("B", "A = B"), (r"\mu_2", r"\mu_1=\mu_2"), ("P(B)", "P(A)=P(B)"), ("f(x)", "f(0)=f(x)"), (r"\sim p", "p"), (r"\sim(p \land q)", r"(p \land q)"), (r"\sim\sim p", r"\sim p"),
        ("=", ":"), (".", ","), (r"\approx", "="),
        (r"\approx 12", "13"), (r"> 12", "12"), (r"\neq 12", "12"), (r"\le 12", "12"), ("-12", "12"), ("=-12", "12"), (r"\not= 12", "12"), ("≠ 12", "12"), ("< 12", "12"), (r"\geq 12", "12"), (r"\pm 12", "12"), ("x > 5", "5"), (r"\approx -12", "12"), (r"x = 12 = 13", "13"), (r"2x = 12", "12"), ("x^2 = 12", "12"),
        (r"-x = 12", "12"), (r"\frac1x = 12", "12"), (r"12 \approx 13", "13"), (r"12 \approx 13", "12"), (r"A^{10} = 0", "0"), (r"|z| = 1", "1"), (r"\approx 3.14", r"\pi"), (r"x \ne 5", "5"), (r"\sqrt{x} = 5", "5"), (r"\gcd(2,n) = 1", "1"), (r"x + 2y - 5 = 0", "0"), (r"\in 12", "12"), (r"\to 12", r"\infty"), ("4!=25", "25"), (r"\sim 12", "-12"),
        (r"\sqrt2 \approx 1.5", r"\sqrt2"), (r"x = 5", "y = 5"), (r"\propto 12", "12"), ("=12", "21"), (r"x \equiv 3 \pmod 7", "3"), (r"x=1, y=2", "1"), (r"\ln y = 5", "5"), (r"x > 12", "x = 12"), ("1 = 2", "2"),
    ],
    "trailing punctuation": [
        ("12!", "12"), ("12+", "12"), ("12-", "12"), ("12/", "12"), ("12^", "12"), (r"12\cdot", "12"), ("12'", "12"), ("1.5.2", "1.5"), ("12,5", "12"), ("12,", "13"), (".12", "12"), ("12=", "13"), ("x!", "x"), ("12.", "1.2"), (r"12\%!", "12"), ("1..2", "12"), ("12,3,", "12"), (r"12 \times", "12"), ("(12", "12"), ("12]", "12"), ("12_", "12"), ("5!!", "5!"), ("12*", "12"), (r"12\\13", "12"),
    ],
    "plus or minus": [
        (r"\frac{3\pm\sqrt{17}}{4}", r"\frac{3+\sqrt{17}}{4}"), (r"\frac{3\pm\sqrt{17}}{4}", r"\frac{3\pm\sqrt{17}}{2}"), (r"\pm2", "2"), (r"\pm2", "-2"), (r"2", r"\pm 2"), (r"\pm2", "2,-3"), (r"\pm 2", r"\pm 3"), (r"1\pm\sqrt2", r"\sqrt2\pm1"), (r"5 \pm 0.1", "5"), (r"\pm\sqrt2", r"\sqrt2,\sqrt2"), (r"+2", r"\pm2"), (r"1\pm2", "3"),
        (r"\pm 1, 2", r"1, \pm 2"), (r"(\pm1, 2)", "(1,2)"), (r"\pm2", "0"), (r"x = \pm 2", "x = 2"), (r"1\pm i", "1+i"), (r"\mp 2", "-2"), (r"\pm 1 \mp 2", "3,-1"), (r"+-2", "2"), (r"2\pm", "2"),
    ],
    "units": [
        (r"5\text{ mm}", r"5\text{ cm}"), ("5x", "5"), ("5m^2", "5"), (r"5\text{ and }6", "5"), (r"5\text{ or }6", "5"), (r"5\text{ if }x>0", "5"), (r"5\text{ hours}", r"5\text{ minutes}"), (r"\$5", r"5\text{ cents}"), (r"\text{not }5", "5"), (r"5\text{ cm}^2", r"5\text{ cm}"), (r"5\text{ cm}^2", r"5\text{ cm}^3"), (r"\$5", "€5"), (r"6\text{ cm}", "5"), (r"5\text{ kg}", r"5\text{ g}"),
        (r"\text{less than }5", "5"), (r"5\text{ more than }x", "5"), (r"5\text{ times }x", "5"), (r"5\text{ halves}", "5"), (r"5\text{ tenths}", "5"), (r"5\text{ squared}", "5"), (r"5\text{ factorial}", "5"), (r"5\text{ apples}", r"5\text{ oranges}"), ("5a", "5"), (r"5\text{ to }6", "5"), (r"5\text{ out of }6", "5"), (r"\text{at least }5", "5"), (r"5\text{ m/s}", r"5\text{ m/s}^2"), ("5m", "5"),
        (r"5\text{ km/h}", r"5\text{ m/s}"), (r"20^\circ\text{C}", r"20^\circ\text{F}"), (r"5\text{ minus }2", "5"), (r"50\text{ mm}", r"50\text{ cm}"), (r"5\text{ feet}", r"5\text{ inches}"), (r"5\text{ ft }3\text{ in}", "5"), (r"5\text{ mod }7", "5"), (r"5\text{ except }2", "5"), (r"\text{no more than }5", "5"), (r"5\text{ cm}+x", "5"), (r"5\text{ half-hours}", "5"), (r"5\text{ thirds}", "5"), (r"\text{twice }5", "5"), (r"5\text{ plus }x", "5"), (r"5\text{ below zero}", "5"), (r"\text{between }5\text{ and }6", "5"), (r"5\text{ pairs of }2", "10"), (r"5\text{ (not }6)", "6"),
    ],
    "percent": [
        (r"50\%", r"5\%"), (r"50\%", "5"), (r"50\%", "0.05"), (r"50\%", r"0.5\%"), (r"0.5", r"5\%"), (r"50\%", r"\frac13"), (r"\frac12\%", r"50\%"), (r"12.5\%", "0.25"), ("50", "0.5"), ("0.5", "50"), (r"50\%", r"-50\%"), (r"50\% x", "50"), (r"100-50\%", "50"), (r"50\text{ percentage of }x", "50"), (r"50\%", "51"), (r"150\%", "50"), (r"5\%", "500"),
    ],
    "degrees": [
        (r"30^\circ", r"60^\circ"), (r"30^\circ", r"\frac{\pi}{3}"), (r"\sin 30", r"\frac12"), ("30^0", "30"), (r"30\text{ rad}", r"30^\circ"), (r"30^\circ", "31"), (r"20^\circ C", r"20^\circ F"), (r"30^\circ 15'", "30"), (r"\frac{\pi}{6}", "30"), (r"\sin 30^\circ", "30"), (r"30^\circ + x", "30"), (r"-30^\circ", "30"), (r"f^\circ", "f"), (r"30^\circ", "3"), (r"180^\circ-x", "180"),
    ],
    "bases": [
        ("63_8", "63_9"), ("63_8", "62_8"), (r"(63)_8", "51"), ("63_8", "638"), ("1010_2", "1010_3"), ("101_2", "5_{11}"), ("63_8", "63+8"), (r"(63)_8", "(36)_8"), ("63_8", "8"), ("x_8", "63_8"), (r"63^8", "63_8"), (r"63\cdot 8", "63_8"), ("63_{80}", "63_8"), (r"63\text{ (base 9)}", "63_8"), ("63", "36_8"),
    ],
    "sets and inequalities": [
        (r"x\le-2 \text{ or } x>2", r"(-\infty,-2]\cup[2,\infty)"), (r"x\ge 2", "x>2"), ("[2,3)", "(2,3]"), (r"(1,2)\cup(2,3)", "(1,3)"), (r"\emptyset", "0"), (r"\{0\}", r"\emptyset"), (r"\{1,2\}", "(1,2)"), ("(1,2)", "(2,1)"), (r"2<x<3", "[2,3]"), (r"x>2", "x<2"), ("x=1, y=2", "(2,1)"), (r"\{1,2\}", r"\{1,2,3\}"), (r"(-\infty,2)", r"(-\infty,2]"),
        (r"\mathbb{R}\setminus\{2\}", r"\mathbb{R}"), (r"x\ne2", "x=2"), (r"x\ge2\text{ and }x\le-2", r"(-\infty,-2]\cup[2,\infty)"), (r"(0,1)\cap(2,3)", r"(0,1)\cup(2,3)"), ("(1,2),(3,4)", "(1,4),(3,2)"), (r"\{1,2\}", "[1,2]"), ("[1,2]", "(1,2)"), (r"\mathbb{Z}", r"\mathbb{R}"), (r"x>2", "2"), (r"x\in(2,3)", "(2,4)"), (r"(-\infty,-2)\cup(2,\infty)", r"(-\infty,-2)\cap(2,\infty)"),
        (r"\{x : x>2\}", "x<2"), ("2<x<3", "3<x<2"), ("a<b", "a>b"), (r"x<y", r"x\le y"), (r"-x<2", "x<-2"), (r"[2,\infty)", r"(-\infty,2]"), (r"x\in\{1,2\}", "[1,2]"), (r"(2,3)\setminus\{2.5\}", "(2,3)"), (r"\{\emptyset\}", r"\emptyset"), (r"[1,2]\cup\{3\}", "[1,3]"), (r"(1,2)", "1"), ("1,2", "1"), (r"1\text{ and }2", "1"), ("x=1\text{ or }x=2", "1"), ("0 < x", "x < 0"), (r"x > 2 \text{ or } x < -2", r"-2<x<2"), ("]2,3[", "[2,3]"), (r"|x|<2", "x<2"),
    ],
    "multisets": [
        ("1,1,2", "1,2,2"), ("1,2", "1,1,2"), ("1,1,2", "1,2"), (r"\{1,1,2\}", r"\{1,2,2\}"), ("1,1", "1"), ("1", "1,1"), ("(1,1,2)", "(1,2,1)"), ("1,2,3", "1,2,3,3"), ("x=1, x=1", "1"), ("2,2", "4"), ("1,1,2,2", "1,2,2,2"), ("i,i", "i,-i"), ("(1,1)", "1"), (r"(1,2),(1,2)", "(1,2)"),
    ],
    "size": [
        (r"10^{-90}", "10^{-91}"), (r"10^{-90}", "0"), (r"1-2^{-99}", "1"), (r"1-2^{-99}", "1-2^{-100}"), ("2^{2024}", "2^{2023}"), ("2^{2024}", "4^{1011}"), ("10^{100}+1", "10^{100}"), ("100!", "101!"), (r"10^{10^{10}}", r"10^{10^{11}}"), (r"e^{-1000}", "0"), (r"e^{-1000}", "e^{-1001}"), (r"\sqrt{10^{200}+1}", "10^{100}"), ("1000000007", "1000000008"), ("1.0000000001", "1"),
        ("123456789012345678", "123456789012345679"), (r"\frac{1}{3}+10^{-50}", r"\frac13"), (r"1+e^{-1000}", "1"), (r"\sqrt{1+10^{-80}}", "1"), (r"2^{1000}", "2^{1000}+1"), (r"(1+10^{-40})\pi", r"\pi"), (r"x+10^{-60}", "x"), (r"\tanh 1000", "1"), (r"10^{400}", "10^{401}"), ("0.000000", r"10^{-90}"), (r"\cos(10^{-50})", "1"), (r"9^{9^{9}}", "9^{9^{9}}+1"), (r"\infty", "10^{1000}"), (r"2^{100000}", "2^{100001}"), (r"\arctan(10^{40})", r"\frac{\pi}{2}"), ("1e-400", "0"), (r"\sqrt{2}+10^{-30}", r"\sqrt2"), (r"e^{\pi\sqrt{163}}", "262537412640768744"),
    ],
    "words of size": [
        (r"3\text{ million}", "3"), (r"3\text{ million}", r"3\text{ billion}"), ("3 million", "300000"), (r"2\text{ dozen}", "2"), (r"5\text{ thousand}", "5"), (r"3\text{ hundred}", "3"), (r"\$3\text{ million}", r"\$3"), (r"3\text{ hundred thousand}", "300"), ("3", "3 million"), (r"2\text{ gross}", "2"), (r"1.5\text{ million}", "15000000"), (r"3\text{ millionths}", "3"), (r"3\text{ millionths}", "3000000"), (r"2\text{ score}", "2"), (r"3M", "3"), ("twelve", "13"), ("3k", "3"), (r"3\text{ lakh}", "3"), (r"\text{thirteen}", "3"),
    ],
    "primes and transposes": [
        ("y''", "y'"), ("y'", "y"), ("f'(x)", "f(x)"), ("A^TA", "A^2"), ("A^TA", "AA^T"), ("A^T", "A"), (r"A^\top", "A"), ("5'", "5"), ("5''", "5'"), (r"\bar z", "z"), ("A^*", "A"), (r"A^{-1}B", "BA^{-1}"), (r"y''+y=0", "y'+y=0"), (r"y^{\prime}", "y"), (r"A^\dagger", "A"), ("f''(x)", "f'(x)"), ("x'", "x"), (r"A^T", "A^2"), ("z^*", "z"), (r"X^TX", "X^2"), (r"f^{(4)}", "f^4"), ("P^{-1}AP", "A"), ("A^tB", "BA^t"),
    ],
    "not understood whole": [
        (r"8+\boldsymbol{\frac56}", r"\frac{5}{6}"), (r"2\star 3", "3"), (r"\foo{5}", "5"), (r"5\oplus 3", "3"), (r"\unknown 12", "12"), (r"5 ? 3", "3"), (r"12\text{ except when }x=0", "12"), (r"f\circ g", "fg"), (r"3\#4", "3"), (r"5\bmod 3", "5"), ("(3", "3"), ("3)", "3"), (r"\left(3", "3"), ("3 & 4", "3"), (r"5 \rightarrow 6", "6"), (r"5\mid 6", "5"), (r"A\oplus B", "A+B"), (r"2:3", r"\frac23 x"),
        (r"\frac{1}{2", r"\frac12"), (r"\begin{foo}5\end{foo}", "5"), (r"5 \star", "5"), (r"\operatorname{foo} 5", "5"), (r"8 + ", "8"), (r"\frac56 + \mathscr{X}", r"\frac56"), (r"\oint 5", "5"), (r"\langle 5", "5"), (r"5 \blahblah", "5"), (r"\Bigg 5 \Wow 6", "5"), (r"8+\undefined{\frac56}", "8"), (r"5\dots", "5"), ("5...", "5"), (r"1,2,\ldots", "1,2"), ("5 @ 6", "5"), (r"\sqrt{", "1"), (r"5 \times 10^", "5"), (r"n \equiv 0 \pmod{4}", "0"), (r"\lim_{x\to0} 5 ; x", "5"), (r"5 \text{?}", "6"), ("12 34 x", "12"), (r"\frac{5}{6}\frac", r"\frac56"), ("5 = 5 = ", "5"), (r"\pi\rho", r"\pi"), (r"x^2_", "x^2"), (r"5^{", "5"),
    ],
    "all kinds of formulas": [
        (r"\sqrt{a^2}", "a"), (r"\ln x^2", r"2\ln x"), (r"\ln|x|", r"\ln x"), ("x^2 + C", "x^2"), ("1.000", "1000"), ("0.33", "1/3"), ("3.14159", r"\pi"), (r"A\cap B", r"A\cup B"), (r"\text{even}", "odd"), ("0.333...", "0.333"),
        ("0.5...", "0.5"), ("3.14...", "3.14"), ("0.1666...", "1/3"), ("2x-y+3=0", "y=2x-3"), ("y=1/x", "xy=2"), ("y=2", "y^2=4"), ("f(x)=2x+3", "y=2x-3"), ("f(x)=2x", "g(x)=2x"), ("[[1,2],[3,4]]", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}"),
        (r"\begin{pmatrix}1&2\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"), (r"\text{Yes, unless }n=0", "Yes"), ("Yes, but only if n is even", "Yes"), ("No, it does not", "Yes"), (r"\emptyset", "no"), ("5 x 10^3", "5000x"),
        (r"3 \leq x < \infty", r"(3,\infty)"), (r"\text{all real numbers}", r"\mathbb{Q}"), (r"22 \text{ (people)}", "23"), (r"22\text{ more in total}", "22"), ("2^{3^2}", "64"), ("(2^3)^2", "512"), ("2(3)", "23"), ("-2^2", "4"),
        ("(-8)^{1/3}", "2"), (r"\sin 2x", r"2\sin x"), (r"\ln 2 + \ln 3", r"\ln 5"), ("1/2x", "1/(2x)"), ("x=1,2", "(2,1)"), (r"\frac{a}{b}+c", r"\frac{a}{b+c}"), ("a-(b+c)", "a-b+c"), ("-x^2", "(-x)^2"), (r"\sqrt{x+1}", r"\sqrt{x}+1"),
        ("|x|+1", "|x+1|"), ("n!", "n"), ("(2n)!", "2n!"), ("f(2x)", "2f(x)"), ("f(x+1)", "f(x)+1"), ("f(x)", "fx"), ("k[x]", "kx"), ("(-1)^n", "(-1)^r"), ("AB", "BA"), ("xx_1", "x_1^2"), (r"\frac{dy}{dx}", r"\frac{y}{x}"),
        (r"x\,dy", r"y\,dx"), (r"\alpha", "a"), (r"\mu_1 = \mu_2", r"\mu_2"), ("P(A)=P(B)", "P(B)"), ("x=y", "y"), (r"5\text{ loss}", "5"), (r"5\text{ less}", "5"), (r"\text{negative }5", "5"), (r"\phi", r"\psi"), ("O", "0"), ("l", "1"),
    ],
}  # fmt: skip
