# ruff: noqa: E501 - a table reads better with a case a line
"""Programs judged by hand: (completion, tests, whether it is right). `ADD` and the others are sets of tests."""

from __future__ import annotations

from typing import Any

from effopd.tasks.code import CodeTests


def py(source: str) -> str:
    return f"Here is my solution:\n\n```python\n{source}\n```\nIt runs in linear time."


def cpp(source: str) -> str:
    return f"```cpp\n#include <bits/stdc++.h>\nusing namespace std;\n{source}\n```"


def lean(source: str) -> str:
    return f"```cpp\n#include <cstdio>\n#include <cstdlib>\n#include <cmath>\n{source}\n```"


ADD = CodeTests(inputs=["1 2\n", "-5 3\n", "1000000000 1000000000\n"], outputs=["3\n", "-2\n", "2000000000\n"])
LINES = CodeTests(inputs=["3\n"], outputs=["1\n2\n3\n"])
HASTY = CodeTests(inputs=["3\n"], outputs=["1\n2\n3\n"], seconds=0.2)
REAL = CodeTests(inputs=["2\n"], outputs=["1.41421356\n"])
ECHO = CodeTests(inputs=["größe ✓\n"], outputs=["größe ✓\n"])
FUNCTION = CodeTests(inputs=[[[3, 1, 2]], [[]]], outputs=[[1, 2, 3], []], function="ordered")
METHOD = CodeTests(inputs=[["abc"], [""]], outputs=["cba", ""], function="reverse")
WRAPPED = CodeTests(inputs=[[2, 3]], outputs=[[5]], function="add")
TRUTH = CodeTests(inputs=[[4], [5]], outputs=[True, False], function="even")
PAIR = CodeTests(inputs=[[7, 2]], outputs=[[3, 1]], function="divide")
MEAN = CodeTests(inputs=[[[1, 2]]], outputs=[1.5], function="mean")
FACTORS = CodeTests(  # any factorisation is right: a checker decides
    inputs=["12\n"],
    outputs=["3 4\n"],
    checker="import sys\nn = int(open(sys.argv[1]).read())\n"
    "try: a, b = map(int, open(sys.argv[3]).read().split())\nexcept ValueError: a = b = 0\nprint(int(a * b == n and a > 1 < b))",
)

CASES: list[tuple[str, CodeTests, bool]] = [
    (py("a, b = map(int, input().split())\nprint(a + b)"), ADD, True),
    (py("print(sum(map(int, input().split())))"), ADD, True),
    (py("import sys\nprint(sum(map(int, sys.stdin.read().split())))"), ADD, True),
    (py("a, b = map(int, input().split())\nprint(a - b)"), ADD, False),
    (py("print(3)"), ADD, False),
    (py("a, b = map(int, input().split())\nprint(a + b"), ADD, False),
    (py("a, b = input().split()\nprint(a + b)"), ADD, False),
    (py("a = int(input())\nprint(a)"), ADD, False),
    (py("a, b = map(int, input().split())\nprint(a + b)\nprint()"), ADD, True),
    (py("a, b = map(int, input().split())\nprint(a + b, end='')"), ADD, True),
    (py("a, b = map(int, input().split())\nprint('  ', a + b, '  ')"), ADD, True),
    (py("a, b = map(int, input().split())\nprint('sum:', a + b)"), ADD, False),
    (py("a, b = map(int, input().split())\nprint(float(a + b))"), ADD, False),
    (py("a, b = map(int, input().split())\nprint(a + b)\nraise SystemExit(0)"), ADD, True),
    (py("a, b = map(int, input().split())\nprint(a + b)\nraise SystemExit(3)"), ADD, False),
    (py("a, b = map(int, input().split())\nprint(a + b)\n1 / 0"), ADD, False),
    (py("def main():\n    a, b = map(int, input().split())\n    print(a + b)\nif __name__ == '__main__':\n    main()"), ADD, True),
    (py("def main():\n    a, b = map(int, input().split())\n    print(a + b)"), ADD, False),
    ("```\na, b = map(int, input().split())\nprint(a + b)\n```", ADD, True),
    ("```py\nprint(sum(map(int, input().split())))\n```", ADD, True),
    ("```python3\nprint(sum(map(int, input().split())))\n```", ADD, True),
    ("~~~python\nprint(sum(map(int, input().split())))\n~~~", ADD, True),
    ("print(sum(map(int, input().split())))", ADD, True),
    ("import sys\nprint(sum(map(int, sys.stdin.read().split())))\n", ADD, True),
    ("First try:\n" + py("print(0)") + "\nBetter:\n" + py("print(sum(map(int, input().split())))"), ADD, True),
    ("First try:\n" + py("print(sum(map(int, input().split())))") + "\nBetter:\n" + py("print(0)"), ADD, False),
    ("<think>\n" + py("print(0)") + "\n</think>\n" + py("print(sum(map(int, input().split())))"), ADD, True),
    (py("print(sum(map(int, input().split())))") + "\n\nInput:\n```\n1 2\n```\nOutput:\n```text\n3\n```", ADD, True),
    ("I would add the two numbers.", ADD, False),
    ("", ADD, False),
    ("```python\n```", ADD, False),
    ("```java\nclass Main {}\n```", ADD, False),
    (cpp("int main(){long long a,b;cin>>a>>b;cout<<a+b<<endl;}"), ADD, True),
    (cpp("int main(){int a,b;cin>>a>>b;cout<<a+b<<'\\n';}"), ADD, True),
    (cpp("int main(){long long a,b;cin>>a>>b;cout<<a-b<<endl;}"), ADD, False),
    (cpp("int main(){long long a,b;cin>>a>>b;cout<<a+b<<endl;return 1;}"), ADD, False),
    (cpp("int main(){int *p=nullptr;*p=1;}"), ADD, False),
    (cpp("int main(){short a,b;cin>>a>>b;cout<<a+b;}"), ADD, False),
    (cpp("int main(){cout<<undefined;}"), ADD, False),
    (cpp("int main(){vector<int> v; cout<<v.at(3);}"), ADD, False),
    ("```c++\n#include <iostream>\nint main(){long long a,b;std::cin>>a>>b;std::cout<<a+b;}\n```", ADD, True),
    ("```\n#include <cstdio>\nint main(){long long a,b;scanf(\"%lld %lld\",&a,&b);printf(\"%lld\",a+b);}\n```", ADD, True),
    (cpp("int main(){int n;cin>>n;for(int i=1;i<=n;i++)cout<<i<<'\\n';}"), LINES, True),
    (py("for i in range(1, int(input()) + 1): print(i)"), LINES, True),
    (py("print(*range(1, int(input()) + 1))"), LINES, True),  # the same words: line ends are white space
    (py("for i in range(int(input())): print(i)"), LINES, False),
    (py("for i in range(1, int(input())): print(i)"), LINES, False),
    (py("print(int(input()) ** 0.5)"), REAL, True),
    (py("print('1.4142')"), REAL, False),
    (py("print('nan')"), REAL, False),
    (cpp("int main(){double x;cin>>x;printf(\"%.9f\",sqrt(x));}"), REAL, True),
    (py("print(input())"), ECHO, True),
    (cpp("int main(){string s;getline(cin,s);cout<<s;}"), ECHO, True),
    (py("print(input().upper())"), ECHO, False),
    (py("def ordered(x):\n    return sorted(x)"), FUNCTION, True),
    (py("class Solution:\n    def ordered(self, x: List[int]) -> List[int]:\n        return sorted(x)"), FUNCTION, True),
    (py("def ordered(x):\n    print(x)\n    return sorted(x)"), FUNCTION, True),
    (py("def ordered(x):\n    return tuple(sorted(x))"), FUNCTION, True),
    (py("def ordered(x):\n    return x"), FUNCTION, False),
    (py("def ordered(x):\n    x.sort()"), FUNCTION, False),
    (py("def sort(x):\n    return sorted(x)"), FUNCTION, False),
    (cpp("vector<int> ordered(vector<int> x){sort(x.begin(),x.end());return x;}"), FUNCTION, False),
    (py("def reverse(s): return s[::-1]"), METHOD, True),
    (py("reverse = lambda s: ''.join(reversed(s))"), METHOD, True),
    (py("def reverse(s): return s"), METHOD, False),
    (py("def reverse(s): return list(s)[::-1]"), METHOD, False),
    (py("def add(a, b): return a + b"), WRAPPED, True),
    (py("def add(a, b): return [a + b]"), WRAPPED, True),
    (py("def add(a, b): return [[a + b]]"), WRAPPED, False),
    (py("def even(n): return n % 2 == 0"), TRUTH, True),
    (py("def even(n): return 1 - n % 2"), TRUTH, False),
    (py("def divide(a, b): return divmod(a, b)"), PAIR, True),
    (py("def mean(x): return sum(x) / len(x)"), MEAN, True),
    (py("def mean(x): return sum(x) // len(x)"), MEAN, False),
    (py("print('2 6')"), FACTORS, True),
    (py("print('4 3')"), FACTORS, True),
    (py("print('1 12')"), FACTORS, False),
    (py("print('5 2')"), FACTORS, False),
    (py("print('hello')"), FACTORS, False),
    (py("print(1)\n" * 3 + "import os\nos._exit(0)"), FACTORS, False),
    (py("while True: pass"), HASTY, False),
    (lean("int main(){for(;;);}"), HASTY, False),
    (lean("int main(){int n;scanf(\"%d\",&n);while(n)printf(\"%d\\n\",n--);}"), LINES, False),
    (lean("int main(){int n,i=0;scanf(\"%d\",&n);while(i++<n)printf(\"%d \",i);}"), LINES, True),
    (lean("int main(){long long a,b;scanf(\"%lld%lld\",&a,&b);printf(\"%lld\\n\",a+b);}"), ADD, True),
    (lean("int main(){long long a,b;scanf(\"%lld%lld\",&a,&b);printf(\"%.1f\\n\",double(a+b));}"), ADD, False),
    (lean("int main(){unsigned a,b;scanf(\"%u%u\",&a,&b);printf(\"%u\\n\",a+b);}"), ADD, False),
    (lean("int main(){int a,b;scanf(\"%d%d\",&a,&b);printf(\"%d\\n\",a+b);abort();}"), ADD, False),
    (lean("int main(){double x;scanf(\"%lf\",&x);printf(\"%.3f\",sqrt(x));}"), REAL, False),
    (lean("int main(){puts(\"2 6\");}"), FACTORS, True),
    (lean("int main(){puts(\"12 1\");}"), FACTORS, False),
    (lean("int main(){return 1/0*0;}"), LINES, False),
    (lean("int main(){for(size_t n=1<<20;;n*=2){char*p=new char[n];p[n/2]=1;fprintf(stderr,\"%p\",p);}}"), LINES, False),
    ("Plain C:\n```c\n#include <stdio.h>\nint main(){long long a,b;scanf(\"%lld%lld\",&a,&b);printf(\"%lld\",a+b);}\n```", ADD, True),
    (py("def f(n): return f(n + 1)\nf(0)"), LINES, False),
    # in a list, in another standard
    ("1. First:\n\n   ```python\n   a, b = map(int, input().split())\n   if True:\n       print(a + b)\n   ```\n", ADD, True),
    ("- ```python\n  print(sum(map(int, input().split())))\n  ```", ADD, True),
    ("  ```python\nif True:\n  print(sum(map(int, input().split())))\n  ```", ADD, True),
    ("\t```\n\tprint(sum(map(int, input().split())))\n\t```", ADD, True),
    (cpp("int main(){vector<int> v(2);for(int&x:v)cin>>x;ranges::sort(v);cout<<(long long)v[0]+v[1];}").replace("cpp", "cpp20"), ADD, True),
    (cpp("int main(){__int128 a=1;long long x,y;cin>>x>>y;cout<<(long long)(a*x+y);}"), ADD, True),
    (cpp("long long midpoint(long long a,long long b){return a+b;}\nint span=0;\nint main(){long long a,b;cin>>a>>b;cout<<midpoint(a,b)+span;}"), ADD, True),
]  # fmt: skip

SEVEN = CodeTests(inputs=[""], outputs=["7\n"])
SUM = CodeTests(inputs=["1 2\n", "5 6\n"], outputs=["3\n", "11\n"])
CHECKER = FACTORS.checker or ""


def called(function: str, inputs: list[Any], outputs: list[Any]) -> CodeTests:
    return CodeTests(inputs=inputs, outputs=outputs, function=function)


def factors(end: str) -> CodeTests:
    """As FACTORS, with a checker that ends in its own way."""
    return CodeTests(inputs=FACTORS.inputs, outputs=FACTORS.outputs, checker=f"{CHECKER}\n{end}")


VARIANTS: list[tuple[str, CodeTests, bool]] = [
    # exits
    (py("print(7)\nexit()"), SEVEN, True),
    (py("print(7)\nquit(0)"), SEVEN, True),
    (py("print(7)\nexit(0)"), SEVEN, True),
    (py("import sys\nprint(7)\nsys.exit()"), SEVEN, True),
    (py("print(7)\nexit(1)"), SEVEN, False),
    (py("print(7)\nquit('done')"), SEVEN, False),
    (py("print(8)\nexit()"), SEVEN, False),
    (py("def main():\n    print(7)\n    exit()\nmain()"), SEVEN, True),
    (py("try:\n    print(7)\n    exit()\nexcept SystemExit:\n    pass"), SEVEN, True),
    (py("import os\nprint(7, flush=True)\nos._exit(0)"), SEVEN, True),
    (py("if input() == '':\n    quit()"), SEVEN, False),
    (py("print(7)\nraise SystemExit"), SEVEN, True),
    # large integers
    (py("print(10**5000)"), CodeTests(inputs=[""], outputs=["1"+"0"*5000]), True),
    (py("n=int(input())\nprint(n%7)"), CodeTests(inputs=["7"*5001], outputs=["0"]), True),
    (py("def f(n):\n    return 10**n"), called("f", ["5000"], ["1"+"0"*5000]), True),
    (py("def f(n):\n    return 10**n + 1"), called("f", ["5000"], ["1"+"0"*5000]), False),
    (py("print(10**5000+1)"), CodeTests(inputs=[""], outputs=["1"+"0"*5000]), False),
    (py("def f(n, ms):\n    return n + ms[0]"), called("f", ["9"*5000+"\n[1]"], ["1"+"0"*5000]), True),
    (py("def f(n, ms):\n    return n + ms[0]"), called("f", ["9"*5000+"\n[2]"], ["1"+"0"*5000]), False),
    (py("def f(n):\n    return [n - 1, {'a': n}]"), called("f", [[10**5000]], [[10**5000-1, {"a": 10**5000}]]), True),
    (py("def f(n):\n    return [n, {'a': n}]"), called("f", [[10**5000]], [[10**5000-1, {"a": 10**5000}]]), False),
    (py("a=int(input())\nprint(str(a)[::-1])"), CodeTests(inputs=["12"*4000], outputs=["21"*4000]), True),
    (py("def f(n):\n    return str(7**n)[-1]"), called("f", [[6000]], ["1"]), True),
    (py("def f(s):\n    return int(s) % 7"), called("f", [["7"*6000]], [0]), True),
    (py("from decimal import Decimal\nprint(Decimal(10)**5000)"), CodeTests(inputs=[""], outputs=["1"+"0"*5000]), False),
    (py("def mean(ns):\n    return 10**400"), MEAN, False),
    (py("def mean(ns):\n    return [10**400]"), MEAN, False),
    # one text for all arguments
    (py("def add(a,b):\n    return a+b"), called("add", ["2\n3"], ["5"]), True),
    (py("def add(a,b):\n    return a-b"), called("add", ["2\n3"], ["5"]), False),
    (py("def f(x, k):\n    return sorted(x)[:k]"), called("f", ["[3, 1, 2]\n2"], ["[1, 2]"]), True),
    (py("def f(s):\n    return s[::-1]"), called("f", ['"abc"'], ['"cba"']), True),
    (py("def f(s):\n    return s[::-1]"), called("f", ['abc'], ['cba']), True),
    (py("def f(a, b):\n    return a and b"), called("f", ["true\nfalse"], ["false"]), True),
    (py("def f(a, b):\n    return a and b"), called("f", ["True\nFalse"], ["False"]), True),
    (py("def f(d):\n    return d['a']"), called("f", ['{"a": 1}'], ["1"]), True),
    (py("def f(d):\n    return d['a']"), called("f", ["{'a': 1}"], ["1"]), True),
    (py("def f(x):\n    return x[0]"), called("f", ["(1, 2)"], ["1"]), True),
    (py("def f(a,b):\n    return a+b"), called("f", ["2\n3\n"], ["5\n"]), True),
    (py("def f(x):\n    return None"), called("f", ["1"], ["null"]), True),
    # keys
    (py("def f(d):\n    return d[1]"), called("f", [[{"1":2}]], [2]), True),
    (py("def f(d):\n    return d['1']"), called("f", [[{"1":2}]], [2]), True),
    (py("def f(d):\n    return sum(d)"), called("f", [[{"1":2,"3":4}]], [4]), True),
    (py("def f(d):\n    return {k+1: v for k, v in d.items()}"), called("f", [[{"1":2}]], [{"2":2}]), True),
    (py("def f(d):\n    return d[2]"), called("f", [[{"1":2}]], [2]), False),
    (py("def f(d):\n    return d[-1][0]"), called("f", [[{"-1":{"0":5}}]], [5]), True),
    (py("def f(d):\n    return d.get(1, 0)"), called("f", [[{"1":2}]], [0]), True),
    (py("def f(x):\n    return x[0][1]"), called("f", [[[{"1":7}]]], [7]), True),
    (py("def f(d):\n    return d['a']"), called("f", [[{"a":2}]], [2]), True),
    # names
    (py("def f(a, x):\n    return bisect_left(a, x)"), called("f", [[[1,3,5],3]], [1]), True),
    (py("def f(a, x):\n    return bisect.bisect_left(a, x)"), called("f", [[[1,3,5],3]], [1]), True),
    (py("def f(a, x):\n    return bisect(a, x)"), called("f", [[[1,3,5],3]], [2]), True),
    (py("def f(a):\n    b = copy.deepcopy(a)\n    b[0] = 9\n    return a"), called("f", [[[1]]], [[1]]), True),
    (py("def f(a):\n    return deepcopy(a)"), called("f", [[[1]]], [[1]]), True),
    (py("def f():\n    return datetime.datetime(2020, 1, 31).day"), called("f", [[]], [31]), True),
    (py("def f():\n    return datetime(2020, 1, 31).day + timedelta(days=2).days"), called("f", [[]], [33]), True),
    (py("def f():\n    return datetime.strptime('2020-01-31', '%Y-%m-%d').day"), called("f", [[]], [31]), True),
    (py("def f():\n    return ascii_lowercase[:3] + string.digits[:2]"), called("f", [[]], ["abc01"]), True),
    (py("def f(x):\n    return [int(x) for x in [ceil(1.5), floor(2.5), gcd(4, 6), comb(4, 2)]] + [inf > 5]"), called("f", [[1]], [[2,2,2,6,True]]), True),
    (py("def f(x):\n    h = []\n    heappush(h, 3)\n    d = defaultdict(int)\n    d[1] += 1\n    c = Counter(x)\n    q = deque(x)\n    return [heappop(h), d[1], c['a'], q[0]]"), called("f", [["aab"]], [[3,1,2,"a"]]), True),
    (py("@lru_cache(None)\ndef g(n):\n    return n if n < 2 else g(n-1) + g(n-2)\ndef f(n):\n    return g(n)"), called("f", [[30]], [832040]), True),
    (py("@cache\ndef f(n):\n    return reduce(lambda a, b: a * b, range(1, n + 1))"), called("f", [[5]], [120]), True),
    (py("def f(x: Optional[List[int]]) -> Dict[str, int]:\n    return list(accumulate(x))"), called("f", [[[1,2,3]]], [[1,3,6]]), True),
    (py("def f(a):\n    return str(Fraction(1, 2)) + str(Decimal('1.5'))"), called("f", [[1]], ["1/21.5"]), True),
    (py("def f(a):\n    return sorted(a, key=itemgetter(1))"), called("f", [[[[1,2], [2,1]]]], [[[2,1], [1,2]]]), True),
    (py("def f(s):\n    return re.sub('a', 'b', s)"), called("f", [["aa"]], ["bb"]), True),
    (py("def f(a, b):\n    return pow(a, b, 7)"), called("f", [[3,4]], [4]), True),
    (py("def f(x):\n    return sum(x)"), called("f", [[[1,2]]], [3]), True),
    (py("def f(n):\n    return randint(n, n) + random.randint(n, n)"), called("f", [[2]], [4]), True),
    (py("def f(x):\n    return mean(x)"), called("f", [[[1,3]]], [2]), True),
    (py("def f(x):\n    insort(x, 2)\n    return x"), called("f", [[[1,3]]], [[1,2,3]]), True),
    (py("def f(x):\n    return undefined_name(x)"), called("f", [[1]], [1]), False),
    (py("print(bisect_left([1], 1))"), SEVEN, False),
    (py("import time\ndef f(x):\n    t = time.time()\n    return x"), called("f", [[1]], [1]), True),
    (py("from collections import *\nimport collections\ndef f(x):\n    return len(collections.Counter(x)) + len(Counter(x))"), called("f", [["ab"]], [4]), True),
    # fences
    ("```python\nprint(7)", SEVEN, True),
    ("```python\nprint(7)\n```This prints 7.", SEVEN, True),
    ("```python\nprint(7)\n``` It prints 7.", SEVEN, True),
    ("```python\nprint(7)\n\nThis prints 7 as asked.", SEVEN, True),
    ("```python\nprint(7)```", SEVEN, True),
    ("Here it is: ```python\nprint(7)\n```", SEVEN, True),
    ("```python\nprint(0)\n```\nBetter:\n```python\nprint(7)", SEVEN, True),
    ("```python\nprint(7)\n```\nOutput:\n```\n7\n```", SEVEN, True),
    ("```Python3.11\nprint(7)\n```", SEVEN, True),
    ("```cpp\n#include <cstdio>\nint main(){puts(\"7\");}", SEVEN, True),
    ("````python\nprint('```'[:0] + '7')\n````", SEVEN, True),
    ("```python\nprint(0)", SEVEN, False),
    ("```python\nprint(7\n\nThis prints 7.", SEVEN, False),
    ("~~~py\nprint(7)", SEVEN, True),
    ("> ```python\nprint(7)\n```", SEVEN, True),
    ("1. ```python\n   print(7)\n", SEVEN, True),
    ("<think>```python\nprint(0)\n</think>\n```python\nprint(7)", SEVEN, True),
    ("```python\nprint(7)\n```. Done", SEVEN, True),
    ("```python title=\"a.py\"\nprint(7)\n```", SEVEN, True),
    ("```\nprint(7)", SEVEN, True),
    ("``` python\nprint(7)\n```", SEVEN, True),
    ("```python\r\nprint(7)\r\n```\r\n", SEVEN, True),
    ("```python\n\"\"\"\nSolve\n\"\"\"\nprint(7)\n```", SEVEN, True),
    ("Text\n```python\nprint(7)\n```\n```bash\npython a.py\n```", SEVEN, True),
    ("```python\nprint(7)\n```\n\n```python\nprint(7)", SEVEN, True),
    # /dev/stdin and ONLINE_JUDGE
    (py("print(sum(map(int, open('/dev/stdin').read().split())))"), SUM, True),
    (py("import sys\nsys.stdin = open('/dev/stdin')\nprint(sum(map(int, input().split())))"), SUM, True),
    (py("print(sum(map(int, open(0).read().split())))"), SUM, True),
    (py("import os\nprint(sum(map(int, os.read(0, 100).split())))"), SUM, True),
    (py("from pathlib import Path\nprint(sum(map(int, Path('/dev/stdin').read_text().split())))"), SUM, True),
    (cpp("int main(){ifstream in(\"/dev/stdin\");int a,b;in>>a>>b;cout<<a+b;}"), SUM, True),
    (cpp("int main(){freopen(\"/dev/stdin\",\"r\",stdin);int a,b;cin>>a>>b;cout<<a+b;}"), SUM, True),
    (py("import os, sys\nif 'ONLINE_JUDGE' not in os.environ:\n    sys.stdin = open('input.txt')\nprint(sum(map(int, input().split())))"), SUM, True),
    (cpp("int main(){\n#ifndef ONLINE_JUDGE\nfreopen(\"input.txt\",\"r\",stdin);\n#endif\nint a,b;cin>>a>>b;cout<<a+b;}"), SUM, True),
    (cpp("int main(){if(!getenv(\"ONLINE_JUDGE\"))return 1;int a,b;cin>>a>>b;cout<<a+b;}"), SUM, True),
    (py("import os\nif os.getenv('ONLINE_JUDGE'):\n    print(sum(map(int, input().split())))"), SUM, True),
    (py("import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))"), SUM, True),
    # checkers
    (py("print(6, 2)"), factors("exit()"), True),
    (py("print(6, 2)"), factors("quit()"), True),
    (py("print(6, 2)"), factors("sys.exit(0)"), True),
    (py("print(6, 2)"), factors("exit(1)"), True),
    (py("print(5, 2)"), factors("exit()"), False),
    (py("print('hello')"), factors("exit()"), False),
    (py("print(3, 4)"), factors("exit()"), True),
    (py("print(3, 4)"), CodeTests(inputs=["12\n"], outputs=["3 4\n"],checker="raise RuntimeError"), True),
]  # fmt: skip
