# ruff: noqa: E501 - a table reads better with a case a line
"""Programs judged by hand: (completion, tests, whether it is right). `ADD` and the others are sets of tests."""

from __future__ import annotations

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
