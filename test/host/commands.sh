# The commands on Linux, beside Debian's.  Positive and negative cases; every program's -h and
# wrong option.
. "$(dirname "$0")/lib.sh"

# same NAME EXPECTED-COMMAND -- our command: both outputs and statuses are the same
same()
{
	local what=$1 want got wrc grc
	want=$(eval "$2" 2>/dev/null; echo "status $?")
	got=$(PATH=$bin:$PATH; eval "$3" 2>/dev/null; echo "status $?")
	[ "$want" = "$got" ] || complain "$what: wanted
$want
got
$got"
}

cd "$dir" || exit 1
mkdir -p t/a/b t/.hidden
seq 1 1000 > t/numbers
printf 'no newline at the end' > t/a/short
: > t/a/empty
head -c 300000 /dev/urandom > t/a/b/blob
ln -s ../numbers t/a/link

same cat 'cat t/numbers t/a/short' 'cat t/numbers t/a/short'
same cat-missing 'cat t/none' 'cat t/none'
same cat-stdin 'cat < t/a/b/blob | cksum' 'cat - < t/a/b/blob | cksum'
same ls 'LC_ALL=C ls -1 t' 'ls t'
same ls-a 'LC_ALL=C ls -a t' 'ls -a t'
same ls-i 'ls -i t/numbers | tr -d " "' 'ls -i t/numbers | tr -d " "'
same head 'head -n 3 t/numbers' 'head -n 3 t/numbers'
same head-c 'head -c 1000 t/a/b/blob | cksum' 'head -c 1000 t/a/b/blob | cksum'
same wc 'echo 1000 1000 3893 t/numbers' 'wc t/numbers'
same wc-bytes 'echo 300000' 'wc -c < t/a/b/blob'
same grep 'grep -F 99 t/numbers' 'grep 99 t/numbers'
same grep-n 'grep -Fn 99 t/numbers t/a/short' 'grep -n 99 t/numbers t/a/short | cat'
same grep-none 'grep -F zebra t/numbers' 'grep zebra t/numbers'
same grep-vc 'grep -Fvc 1 t/numbers' 'grep -vc 1 t/numbers'
same grep-i 'grep -iF NEWLINE t/a/short' 'grep -i NEWLINE t/a/short'
same hexdump 'hexdump -C t/a/short' 'hexdump t/a/short'
same hexdump-part 'hexdump -C -s 100 -n 777 t/a/b/blob' 'hexdump -s 100 -n 777 t/a/b/blob'
same hexdump-same 'head -c 100 /dev/zero | hexdump -C' 'head -c 100 /dev/zero | hexdump'
same cmp-same 'cmp t/numbers t/numbers' 'cmp t/numbers t/numbers'
same cmp-differ 'echo status 1' 'cmp -s t/numbers t/a/short; echo status $?'
same sum 'sha256sum t/numbers t/a/empty t/a/b/blob' 'sha256sum t/numbers t/a/empty t/a/b/blob'
same sum-tree 'find t -type f | sort | xargs sha256sum' 'sha256sum -r t | sort -k2'
for n in 0 1 55 56 57 63 64 65 119 120 127 128 129 262143 262144 262145; do
	head -c "$n" t/a/b/blob > part
	same "sum of $n" 'sha256sum part' 'sha256sum part'
done
sha256sum t/numbers t/a/b/blob > list
same sum-check 'echo 2 files the same, 0 not' 'sha256sum -c -q list'
sed 's/^./0/;s/^0\(.\)/1\1/' list > wrong
"$bin/sha256sum" -c wrong > /dev/null && complain "a wrong list passes"
: > none
"$bin/sha256sum" -c none > /dev/null && complain "an empty list passes"
same find 'find t | sort' 'find t | sort'
same find-type 'find t -type f -name "*[bt]" | sort' 'find t -type f -name "*[bt]" | sort'
format='%p|%P|%f|%y|%m|%n|%U|%G|%s|%b|%i|%T@|%l|%%\\t\\\\\n'
same find-printf 'find t -printf "$format" | sort' 'find t -printf "$format" | sort'
same find-printf-here 'find . -printf "%P %y\n" | sort' 'find -printf "%P %y\n" | sort'
same du 'du -sb t/a/b/blob | cut -f1' 'du -sb t/a/b/blob | cut -f1'
same du-tree 'du t' 'du t'
same date 'date -u +%Y-%m-%d' 'date +%Y-%m-%d'
same echo 'echo a "b  c"' 'echo a "b  c"'
same env 'env -i A=1 env' 'env -i A=1 '"$bin"'/env'
same uname 'uname -m' 'uname -m'
same time 'echo x; (exit 3)' 'time sh -c "echo x; exit 3"'

PATH=$bin:$PATH
cp -r t copy && diff -r t copy > /dev/null || complain "cp -r"
[ -L copy/a/link ] || complain "cp -r follows a link"
cp t/numbers one && cmp -s one t/numbers || complain "cp"
cp t one2 2>/dev/null && complain "cp copies a directory without -r"
cp one one 2>/dev/null && complain "cp onto itself"
[ -s one ] || complain "cp onto itself empties"
cp one t/numbers copy/a/b && [ -s copy/a/b/one ] || complain "cp into a directory"
mv one two && [ ! -e one ] && [ -s two ] || complain mv
mv two copy/a && [ -s copy/a/two ] || complain "mv into a directory"
ln copy/a/two hard && [ "$(ls -l hard | cut -c12-13 | tr -d ' ')" = 2 ] || complain ln
ln -s nowhere soft && [ "$(readlink soft)" = nowhere ] || complain "ln -s"
mkdir copy/a 2>/dev/null && complain "mkdir of what exists"
mkdir -p new/x/y && mkdir -p new/x && [ -d new/x/y ] || complain "mkdir -p"
rmdir new/x 2>/dev/null && complain "rmdir of what is not empty"
rmdir new/x/y && [ ! -e new/x/y ] || complain rmdir
rm copy 2>/dev/null && complain "rm of a directory without -r"
rm -r copy && [ ! -e copy ] || complain "rm -r"
rm none2 2>/dev/null && complain "rm of nothing"
rm -f none2 || complain "rm -f of nothing"
touch fresh && [ -f fresh ] || complain touch
dd if=t/a/b/blob of=part bs=1000 skip=3 count=100 2>/dev/null
/usr/bin/dd if=t/a/b/blob bs=1000 skip=3 count=100 2>/dev/null | cmp -s - part || complain dd
dd if=t/numbers of=part bs=1 seek=10 count=5 conv=notrunc 2>/dev/null
[ "$(wc -c < part)" = 100000 ] || complain "dd notrunc truncates"
/usr/bin/sleep 30 & p=$!
kill -KILL $p; wait $p 2>/dev/null; [ $? = 137 ] || complain kill
stat t/numbers | /usr/bin/grep -qx 'size 3893' || complain stat

only=$(cat "$OLDPWD/cmd/lux9-only" 2>/dev/null)
for f in "$OLDPWD"/cmd/*.c; do
	p=$(basename "$f" .c)
	case " true false init sh $(echo $only) " in *" $p "*) continue ;; esac
	case $p in *_test|9p|sipd|sipstat) continue ;; esac
	[ -x "$bin/$p" ] || { complain "$p is missing"; continue; }
	[ -n "$("$bin/$p" -h 2>/dev/null)" ] || complain "$p -h says nothing"
	[ $p = echo ] && continue
	err=$("$bin/$p" -@ 2>&1 > /dev/null); rc=$?
	[ $rc = 2 ] || complain "$p -@ exits with $rc"
	case $err in *@*) ;; *) complain "$p -@ does not name it: $err" ;; esac
done
exit $bad
