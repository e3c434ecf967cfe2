"""Word list for controls: 4,096 different words, so that a drawn word has 12 bits.

Half are the English list of BIP 39 (MIT licence), half are from manuals of free software.
All are usual words of three to eight lower-case letters; tokenizers of published models encode
them in one or two tokens. The list is part of the rules: another list makes other controls.
"""

from __future__ import annotations

_TEXT = """
abandon abi ability able abort aborted aborts about above absence absent absorb abstract absurd
abuse accept accepts access accident account accuse achieve acid acoustic acquire across act acting
action actions active actor actress acts actual ada adapt adapted add added addict adding addr
address adds adduser adjust admin admit adopted adult advance advice advised aerobic affair affect
affects afford afraid after again against age agent ago agree agreed agrees ahead aid aim air
airport aisle aka alarm album alcohol alert algo alias aliased aliases alien align aligned alive all
alley alloc alloca allow allowed allows almost alone along alpha already also alter altered always
amateur amazing amended among amount amounts amused analyst analyze anchor anchors ancient and anger
angle angry animal ankle announce annual another answer answers antenna antique anxiety any anyhow
anymore anyone anyway apache apart api apology app appear appears append apple applied applies apply
approve apps april apt arc arch arches archive archs arctic are area areas arena arg argc args argue
argv arise arising arm armed armel armhf armor army around arrange array arrays arrest arrive arrow
art artefact article artist artwork asan ascii ask asked asking asks aspect aspects assault assert
asserts asset assign assigns assist assume assumed assumes asthma async atexit athlete atime atom
atomic attach attack attacks attempt attend attitude attr attract auction audio audit august aunt
auth author authors auto autogen autopkg autumn average avocado avoid avoided avoids awake aware
away awesome awful awk awkward axis baby bachelor back backed backend backing backlog backup backups
bacon bad badge badly bag bail balance balcony ball bamboo banana banner bar bare barely bargain
barrel barrier base based bases bash bashism basic basis basket batch battle baud beach bean bear
beauty became because become becomes beef been before began begin begins behalf behave behaves
behind being believe belong belongs below belt bench benefit besides best beta betray better between
beyond bicycle bid big bigger bike bin binary bind binding bindir binmode biology bird birth bit
bitmap bitmaps bits bitter bitwise black blade blame blank blanket blanks blast bleak bless blessed
blind blink blob block blocked blocks blood blossom blouse blue blur blush board boat body bogus
boil bold bomb bone bonus book bool boolean boost boot border boring borrow boss both bother bottom
bounce bound bounded bounds box boxes boy brace braces bracket brain branch brand brass brave bread
break breaks breeze brick bridge brief bright bring brings brisk broccoli broke broken bronze broom
brother brought brown browser brush bubble bucket buddy budget buf buffalo buffer buffers bug bugfix
buggy bugs build buildd builder builds built builtin bulb bulk bullet bump bumped bumping bunch
bundle bundled bundles bunker burden burger burst bus business buster busy but butter button buttons
buyer buzz bypass byte bytes cabbage cabin cable cache cached caches caching cactus cage cake call
called caller callers calling calloc calls calm came camera camp can canal cancel candy cannon
cannot canoe canvas canyon capable capital caps captain capture car carbon card cards care careful
caret cargo carp carpet carried carries carry cart case cases cash casing casino cast casting castle
casts casual cat catalog catch catches category cattle caught cause caused causes causing caution
cave caveats ceiling celery cell cells cement census center central century cereal cert certain
certs cflags cgroup chain chains chair chalk champion chance chances change changed changes channel
chaos chapter char charge chars charset charts chase chat chdir cheap check checked checker checks
cheese chef cherry chest chicken chief child chimney chmod choice choices choke choose chooses chose
chosen chown chronic chroot chuckle chunk chunks churn cigar cinnamon cipher ciphers circle citizen
city civil claim claimed claims clang clap clarify clarity clash clashes class classes classic
clause clauses claw clay clean cleaned cleaner cleanly cleans cleanup clear cleared clearer clearly
clears clerk clever click client clients cliff climb clinic clip clobber clock clog clone cloning
close closed closely closer closes closest closing closure cloth cloud clown club clump cluster
clutch clutter cmdline coach coast coconut code codec coded codes coding coffee coil coin collect
colon colons color colored colors colour column columns combine come comes comfort comic coming
comma command commas comment commit commits common comp compact company compare compat compile
complex comply compute concept concert cond conduct conf config configs confirm conform confuse
congress connect consider consist console const consult consume contact contain content context
contrib control convert convey convince cook cookie cookies cool cope copied copies copper copy
copying coral core cores corn corner correct corrupt cost costly costs cotton couch could count
counted counter country counts couple course court cousin cover covered covers coyote cperl cpu
cpuid cpus crack cradle craft crafted cram crane crash crashed crashes crater crawl crazy cream
create created creates creator credit credits creek crew cricket crime crisp critic croak cron crop
cross crouch crowd crucial cruel cruft cruise crumble crunch crush cry crypto crystal cscope ctype
cube culture cup cupboard curious curly current curses cursor cursors curtain curve curves cushion
custom cut cute cycle cycles cygwin dad daemon daemons damage damaged damages damp dance danger
daring dark darwin dash dashes data dataset date dated dates daughter dawn day days dbus dead deal
dealing deals debate debian debris debug decade december decide decided decides decimal declare
decline decode decoded decoder decorate decrease decrypt deemed deep deeper deeply deer def default
defect defects defense defer define defined defines defs defunct defy degree dejagnu delay delayed
delays delete deleted deletes deliver delta demand demise demo demos den denial denied denote
dentist deny dep depart depend depends deposit deps depth deputy der deref derive derived desc
describe desert design desire desired desk desktop despair despite destroy detail details detect
detects dev devel develop device devices devote diagram dial dialect dialog diamond diary dice dict
did die died diesel diet diff differ differs diffs digest digests digit digital digits dignity
dilemma dinner dinosaur dir direct dirname dirs dirt dirty disable disagree discard discover discuss
disease dish disk disks dismiss disorder display dist distance distro distros divert divide divided
divorce dizzy doc docbook docs doctor document does dog doing doll dolphin domain domains donate
done donkey donor door dose dot dots dotted double doubled doubt dove down draft dragon drama
drastic draw drawing drawn dream dress drift drill drink drip drive driven driver drivers drives
drop dropped drops drum dry dual dubious duck due dumb dummy dump dumped dumping dumps dune during
dust dutch duty dwarf dying dynamic each eager eagle earlier early earn earth ease easier easily
east easy echo ecology economy edge edges edit edited editing editor edits educate effect effects
effort efforts egcs egg eight either elapsed elbow elder electric elegant element elephant elevator
elf elite else emacs email embark embed embody embrace emerge emit emits emitted emotion employ
empower empty emulate enable enabled enables enact encode encoded encoder encodes encrypt end ended
endian ending endings endless endorse ends enemy energy enforce engage engine engines enhance enjoy
enlist enough enrich enroll ensure ensures enter entered entire entity entries entropy entry enum
enums env envelope eof episode epoch equal equally equals equip era erase erode erosion err errata
errno error errors erupt escape escaped escapes essay essence estate etc eternal ethics eval even
event events ever every evidence evil evoke evolve exact exactly examine example exceed exceeds
except excess exchange excite exclude excuse exe exec execute exercise exhaust exhibit exile exist
existed exists exit exited exiting exits exotic expand expands expat expect expects expert expire
expired expires expiry explain exploit export exports expose exposed exposes expr express extend
extends extent extern extra extract extreme eye eyebrow fabric face facet fact factor factors
faculty fade fail failed failing fails failure faint fair fairly faith fake fall falling falls false
fame family famous fan fancy fantasy far farm fashion fast faster fastest fat fatal father fatigue
fault faults faulty favor favorite favour fclose feature february fed federal fee feed feeds feel
fees female fence festival fetch fetched fever few fewer fiber fiction field fields figure file
filed files fill filled filling fills film filter filters final finally find finding finds fine
finer finger finish fire firm first fiscal fish fit fitness fits five fix fixed fixes fixing fixup
fixups flag flagged flags flaky flame flash flat flavor flavors flaw flaws flee flex flight flip
float floats flock floor flow flower fluid flush flushed flushes fly foam focus fog foil fold folded
folder folders folding folks follow follows font fonts foo food foot footer fopen for force forced
forces forcing foreign forest forever forget forgot fork forked forking form formal format formats
formed former forms formula forth fortune forum forward fossil foster found four fourth fox fragile
frame frames free freebsd freed freedom freeing freely frees freeze frequent fresh friend friends
fringe frog from front frost frown frozen fruit fuel fulfill full fully fun func funny furnace
further fury future fuzz fuzzer fuzzing fuzzy gadget gain gained gains galaxy gallery game gang gap
gaps garage garbage garden garlic garment gas gasp gate gather gauge gave gaze general generic
genius genre gentle genuine gesture get getopt gets gettext getting ghost giant gid gift giggle
ginger giraffe girl git github gitlab give given gives giving glad glance glare glass glide glimpse
globe gloom glory glove glow glue goal goals goat goddess goes going gold gone good goose gorilla
gospel gossip got goto gotos gotten govern gown grab grace grain grained grammar grant granted
grants grape graph grass gravity gray great greater greatly green grep grid grief grit grocery group
grouped groups grow growing growth grunt guality guard guards guess guide guides guile guilt guitar
gun gym gzip gzipped habit hack hackery hacking hacks had hair half hammer hamster hand handful
handle handled handler handles handy hang hanging hangs happen happens happy harbor hard harder
hardly harness harsh harvest has hash hashed hashes hashing hashref hat have having hawk hazard head
header headers heading health heap heard heart heavily heavy hedgehog height held hello helmet help
helped helper helpers helpful helps hen hence her here hereby herein hero hex hidden hide hides
hiding high higher highest highly hill him hint hints hip hire his history hit hits hitting hobby
hockey hold holder holders holding holds hole holes holiday hollow home honey honor honored honors
hood hook hooks hope horn horror horse hospital host hosted hosts hotel hour hours hover how however
hppa hpux hub huge human humble humor hundred hungry hunk hunt hurdle hurry hurt husband hybrid
hyphen hyphens ice icon icons iconv idea ideal ideas identify idiom idle ids iff ignore ignored
ignores ill illegal illness image images imitate immense immune impact implied implies imply import
imports impose imposed improve impulse inch include income increase indeed indent index indexed
indexes indicate indices indoor industry inf infant infer inflict info inform ings inhale inherit
inhibit init initial inject injury inline inlined inmate inner innocent inode inodes inotify input
inputs inquiry insane insect insert inserts inside insist inspect inspire install instead int intact
integer intel intend intent interest interop intl into ints invalid inverse invest invite invoke
invoked invokes involve iron island isolate issue issued issuer issues issuing item items iterate
its itself ivory jacket jaguar jar java jazz jealous jeans jelly jewel jit job jobs join joined
joining joke journal journey joy json judge juice jump jungle junior junk just justify kangaroo keen
keep keeping keeps kept kernel kernels ketchup key keyed keyid keymap keypad keyring keys keyword
kick kid kidney killing kind kinds kingdom kiss kit kitchen kite kitten kiwi knee knife knock know
knowing known knows lab label labeled labels labor lack lacking lacks ladder lady lake lambda lamp
language laptop large largely larger largest last late latency later latest latin latter laugh
launch laundry lava law lawn laws lawsuit layer layers layout layouts lazily lazy lcov lead leader
leading leads leaf leak leakage leaked leaking leaks learn least leave leaves leaving lecture led
left leg legacy legal legend leisure lemon lend length lens leopard less lesson let lets letter
letters letting level levels lexical liable liar liberty library licence license lies life lift
lifted light like likely limb limit limited limits line linear lines link linkage linked linker
linkers linking links lint lintian linux lion liquid list listed listen listing lists literal little
live lives lizard load loaded loader loaders loading loads loan lobster local locale locales locally
locate located lock locked locking locks log logfile logged logger logging logic logical login logo
logos logs lone lonely long longer longest look looked looking looks lookup lookups loop looping
loops lose loses losing loss losses lost lot lots lottery loud lounge love low lower lowest loyal
lto lucky luggage lumber lunar lunch luxury lyrics lzma mac machine macro macros mad made magic
magnet maid mail mailbox mailing main mainly major make makes making malloc mammal man manage
managed manager manages mandate mangled mango manner manpage mansion manual manuals many map maple
mapped mapping maps marble march margin marine mark marked marker markers market marking marks
markup marriage mask masked masking masks mass master match matched matcher matches material math
matrix matter matters max maximal maximum may maybe maze meadow mean meaning means meant measure
meat mechanic medal media medium meet melody melt mem member members memcmp memcpy memleak memmove
memory memset mention menu menus mercy mere merely merge merged merges merging merit merry mesa mesh
meson mess message met meta metal method methods metrics micro middle midnight might migrate milk
million mime mimic min mind mingw minimal minimum minor minus minute minutes mips mipsel miracle
mirror mirrors misc misery miss missed misses missing mistake misuse mix mixed mixing mixture mmap
mobile mod mode model models modern modes modify modular module modules modulo modulus mom moment
monitor monkey monster month months moon moral more morning mosquito most mostly mother motion motor
mount mountain mounted mounts mouse move moved moves movie moving mtime much muffin mule multi
multiply muscle museum mushroom music must mutex mutexes mutual myself mystery myth naive name named
namely names naming napkin narrow nasty nation native natural nature ncurses near nearest nearly
neck need needed needing needs negated negative neglect neither neon nephew nerve nest nested
nesting net network neutral never new newer newest newlib newline newly news next nice nicely nicer
night noble nobody nocheck node nodes nodoc noise noisy nominee non nonce none nonzero noodle nor
norm normal north nose not notable notably note noted notes nothing notice noticed notices notify
noting notion noudeb novel now nroff nuclear null nulls number numbers numeric nurse nut oak obey
objcopy objdump object objects oblige obscure observe obtain obvious occur occurs ocean octal octet
octets october odd odor off offer offered offers office offline offload offset offsets often oil
okay old older oldest oldish olive olympic omit omits omitted once one ones ongoing onion online
only onto opaque opcode opcodes open opened opening opens opera operand operate opinion oppose
opposed ops opt optimal option options opts orange orbit orchard order ordered ordinary org organ
orient origin original orphan ostrich other others ought our out outcome outdoor outer outline
output outputs outside oval oven over overall overlap overlay overly overrun own owned owner owners
owns oxygen oyster ozone pack package packed packet packets packing pact pad padded padding paddle
page pager pages pain pair paired pairs palace palm panda panel panic panther paper parade param
params parens parent parity park parrot parse parsed parser parsers parses parsing part partial
parties partly parts party pass passed passes passing passive passwd past paste patch patched
patches patent patents path paths patient patrol pattern pause pave pay payload payment peace peanut
pear peasant peek peer pelican pen penalty pencil pending people pepper per percent perfect perform
perhaps period perl perldoc permit permits persist person persons pertain pet phase phobos phone
phony photo phrase phrases physical piano pick picked picking picnic picture pid piece pieces pig
pigeon pill pilot pin pink pioneer pip pipe piped pipes piping pistol pitch pixel pixels pizza
pkgconf place placed places placing plain plainly plan planet planned plans plastic plate play
please pledge pluck plug plugin plugins plunge plural plus pod poem poet point pointed pointer
points polar pole police policy poll polling pond pony pool pools poor poorly pop popular port
ported porters porting portion ports position posix possible post posting postrm potato pottery
poverty powder power powerpc practice pragma pragmas praise pre precise predict prefer prefers
prefix preinst prepare prepend prerm present preset press pressed pretend pretty prev prevent
preview price pride primary prime print printed printer printf prints prior priority prison privacy
private prize probe problem proc proceed process produce product profile profit program project
promote prompt prompts prone proof proper property prosper protect proto proud prove proven provide
proxies proxy pseudo pthread public publish pudding pull pulled pulling pulls pulp pulse pumpkin
punch pupil puppy purchase pure purely purge purged purity purpose purse push pushed pushing put
puts putting puzzle pyramid python qdisc qualify quality quantum quarter queried queries query
question queue queued queues quick quickly quiet quietly quilt quirks quit quite quiz quota quote
quoted quotes quoting rabbit raccoon race races rack radar radio rail rain raise raised raises
raising rally ramp ran ranch random range ranges rapid rapidly rare rarely rate rather ratio raven
raw razor reach reached reaches react read reader readers readily reading readme reads ready real
reality realloc really reason reasons rebase rebel reboot rebuild rebuilt recall receipt receive
recent recipe recipes recode record records recover recurse recycle red reduce reduced reduces ref
refer refers reflect reform refresh refs refuse refused refuses regard regards regex regexes regexp
region regions regret regular reject rejects related relax release relied relief relies reload rely
relying remain remains remark remember remind remote removal remove removed removes rename renamed
renames render renders renew rent reopen reorder repair repeat repeats replace replay replies reply
repo report reports request require rescue resemble reserve reset resets reside resides resist
resize resized resolv resolve resort resource respect respond response rest restart restore result
results resume resync retain retains retire retired retreat retries retry return returns reunion
reuse reused reusing rev reveal reverse revert reverts review revise revised revoked reward rework
rewrite rhythm rib ribbon rice rich rid ride ridge rifle right rights rigid ring riot ripple risk
ritual rival river rmdir road roast robot robust rocket role roles romance roof rookie room root
roots rose rotate rough roughly round rounded rounds route routine row rows royal royalty rubber
rude rug rule rules run runner running runs runtime runway rural sad saddle sadness safe safely
safer safety said sail sake salad sale salmon salon salsa salt salute same sample samples sand
sandbox sane sanity satisfy satoshi sauce sausage save saved saves saving savings saw say saying
says scalar scalars scale scaled scaling scan scanned scanner scare scatter scene schema scheme
schemes school science scissors scope scoped scopes score scorpion scout scrap scratch screen
screens script scripts scroll scrub sea search season seat seccomp second seconds secret secrets
section secure security sed see seed seeding seeing seek seeking seem seemed seems seen sees segment
segv select selects self sell seminar send sender sending sends senior sense sent sentence seq
serial series serious serve server servers serves service serving session set setenv setgid sets
setting settle setuid setup setups seven several severe shadow shadows shaft shall shallow shape
share shared shares sharing she shebang shed shell shells sheriff shield shields shift shifted
shifts shine ship shipped ships shiver shlibs shock shoe shoot shop short shorten shorter shortly
should shoulder shove show showed showing shown shows shrimp shrug shuffle shut shy sibling sick
side sides siege sight sign signal signals signed signing signs silence silent silk silly silver
similar simple simpler simply since sing single siren sister site sites situate six size sized
sizeof sizes skate sketch ski skill skin skip skipped skips skirt skull slab slam slash slashes
sleep slender slice slide slight slim slogan slot slots slow slower slowly slush small smaller smart
smile smoke smooth snack snake snap sniff snippet snow soap soccer social sock socket sockets soda
soft solar solaris soldier sole solely solid solution solve solved solves some somehow someone
soname song soon sooner sorry sort sorted sorting sorts soul sound sounds soup source sources south
space spaces spacing span sparc spare sparse spatial spawn spawned speak spec special specify specs
speed speeds speedup spell spend spent sphere sphinx spice spider spike spin spirit splice split
splits spoil sponsor spoon sport spot spotted spray spread spring spy square squares squeeze
squirrel stable stabs stack stacks stadium staff stage stages stairs stale stamp stamps stand stands
stanza stanzas start started starts startup stat state stated states static stating stats status
stay stays stderr stdin stdint stdio stdlib stdout steak steal steel stem step steps stereo stick
still sting stock stolen stomach stone stool stop stopped stops storage store stored stores storing
story stove strategy street strike strong struggle stub stubs stuck student stuff stumble style
styles sub subject submit subs subset subsets subtest subtle subtype subway succeed success such
sudden sudo suffer suffix sugar suggest suit suite suites sum summary summer sun sunny sunset super
supply support suppose supreme sure surface surge surplus surprise surround survey survive suspect
suspend sustain swallow swamp swap swapped swarm swear sweet swift swim swing switch sword symbol
symbols symlink symptom synced synonym syntax syrup system tab table tables tabs tackle tag tagged
tagging tags tail taint take taken takes taking talent talk talking tank tape tar tarball tarfile
target targets task tasks taste tattoo taxi teach team tell telling tells temp ten tenant tend tends
tennis tent term termcap termios terms test tested testing tests texinfo text texts textual than
thank thanks that the their them theme then theory there thereby thereof these they thin thing
things think thinks third this those though thought thread threads three thrive through throw thrown
throws thru thumb thunder thus ticket tide tidy tie tied tiger tight tilde tilt timber time timed
timeout timer timers times timeval timing timings tiny tip tired tissue title titles toast tobacco
today toddler todo toe together toggle toilet token tokens told tomato tomorrow tone tongue tonight
too took tool toolkit tools tooth top topic topple torch tornado tort tortoise toss total totally
touch touched tourist toward towards tower town toy trace traced traces tracing track tracked
tracker tracks trade traffic tragic train transfer trap trapped trash travel tray treat treated
treats treaty tree trees trend trial tribe trick tricky tried tries trigger trim trimmed trip
triplet trivial troff trophy trouble truck true truly trumpet trunk trust trusted truth try trying
tube tuition tumble tuna tune tuning tunnel tuple tuples turkey turn turned turning turns turtle
tweak tweaked tweaks twelve twenty twice twin twist two type typed typedef types typical typing typo
typos udeb udebs udev ugly uid uids umask umbrella unable uname unary unaware unbound uncle unclear
uncover undef under undo unfair unfold unhappy unicode unified uniform unify union unique unistd
unit units universe unix unknown unless unlike unlink unlock unpack unpacks unsafe unset until
unused unusual unveil unzip update updated updates upgrade uphold upload uploads upon upper upset
urban urge urgency uri url urls usable usage usages uscan use used useful useless user users uses
using usual usually util utility utils uuid vacant vacuum vague valid valley value values valve van
vanish vapor var varargs variant varies variety various vars vary varying vast vault vehicle velvet
vendor vendors venture venue venv verb verbose verify versa version versus very vessel veteran via
viable vibrant vice vicious victory video view viewed viewer viewing views village vintage violate
violin virtual virus visa visible visit visual vital vivid vocal voice void volcano volume volumes
von vote voyage wage wagon wait waiting waits waived waives wake walk walking wall walnut want
wanted wants warfare warm warn warned warning warns warrior was wash wasp waste watch water wave way
ways weak wealth weapon wear weasel weather web website wedding week weekend weeks weight weird
welcome well went were west wet wget whale what wheat wheel wheels when where whereas whereby
whether which while whip whisper white who whoever whole whom whose wide widely wider widget width
widths wife wild will willing win window windows wine wing wink winner winsock winter wire wisdom
wise wish wishing with within without witness wolf woman wonder wood wool word wording words work
worked worker working works world worry worse worst worth would wrap wrapped wrapper wraps wreck
wrestle wrist write writer writers writes writing written wrong wrongly wrote xmalloc xorg xterm
yard year years yellow yes yet yield yields you young your youth zebra zero zeroed zeroes zeroing
zeros zip zipfile zlib zombie zone zones zoo
"""

WORDS: tuple[str, ...] = tuple(_TEXT.split())
