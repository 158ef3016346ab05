package Bellis::Worker;

# A worker of bellis/1, level 2: common/protocol/PROTOCOL.md and WORKERS.md. This process talks to the broker, another
# one computes (Bellis::Computer), so that heartbeats go out and messages are read all the time.

use strict;
use warnings;
use Bellis::Computer;
use Bellis::Connection;
use Bellis::Given qw(given number_given);
use Sys::Hostname ();

use constant { SILENCE => 10, MOST => 1024, BYTES => 512 * 1024 };

sub now { return Bellis::Computer::now() }

# Works until the broker has nothing more: process->(block) for each block, {id, read, write, ...}. A block fails if it
# dies. Returns the exit code of the worker.
sub run {
    my ($class, $process) = @_;
    my $given = number_given('BELLIS_WORKER_ID', 0);
    my $self  = bless {
        computer => Bellis::Computer->new($process),
        connection =>
            Bellis::Connection->new(given('BELLIS_ENDPOINT') // die("BELLIS_ENDPOINT is not set\n")),
        given    => $given,
        number   => $given,
        job      => given('BELLIS_JOB')  // '',
        task     => given('BELLIS_TASK') // '',
        offered  => number_given('BELLIS_HEARTBEAT_MS', 4000),
        ahead    => (given('BELLIS_PREFETCH') // '') eq 'auto' ? 0 : number_given('BELLIS_PREFETCH'),
        capacity => 1,
        machine  => scalar machine(),
        leases   => {},       # lease -> block, in hand
        queue    => [],       # those leases, in their order; the first one is being worked on
        working  => 0,        # the lease that the computer has
        results  => {},       # lease -> {index, attempt, result}: handed in, and perhaps not stored
        wanted   => 0,        # how many blocks the broker may still send
        deadline => 0,        # until when all leases last; 0: they do not end
        nonce    => 0,
    }, $class;
    $self->new_session;
    local $SIG{TERM} = sub { $self->{signal} //= 15 };
    local $SIG{INT}  = sub { $self->{signal} //= 2 };
    $self->connect;
    $self->hello;
    $self->step until defined $self->{exit};
    $self->{computer}->stop;
    $self->{connection}->close;
    return $self->{exit};
}

sub machine {
    open(my $file, '<', '/proc/sys/kernel/random/boot_id') or return;
    my $space = readlink('/proc/self/ns/pid') // return;
    chomp(my $boot = <$file>);
    return "$boot:$space";
}

sub new_session {
    my ($self) = @_;
    open(my $file, '<:raw', '/dev/urandom') or die "/dev/urandom: $!\n";
    read($file, my $bytes, 8);
    $self->{session}  = (unpack('Q', $bytes) >> 1) | 1;
    $self->{greeting} = 0;
    return;
}

# ---- the loop

sub connect {
    my ($self) = @_;
    $self->{connection}->open;
    @$self{qw(heard asked_again)} = (now(), 0);
    return;
}

sub send {
    my ($self, @message) = @_;
    return $self->{connection}->send(@message);
}

# Reads what has come, does what is due, and waits for more.
sub step {
    my ($self) = @_;
    while (!defined $self->{exit} && $self->{connection}->ready) {
        my ($kind, $fields) = $self->{connection}->receive;
        $self->{heard} = now();
        $self->{asked_again} = 0;
        my $handler = defined $kind ? $self->can("on_$kind") : undef;
        $self->$handler($fields) if $handler;
    }
    return if defined $self->{exit};
    return $self->interrupted if $self->{signal};
    while (my $result = $self->{computer}->take) {
        $self->done(@$result ? @$result : $self->died);
        last if !@$result;
    }
    my $rest = $self->timers;
    $self->begin;
    return if defined $self->{exit} || $self->{connection}->ready;
    my $readable = '';
    vec($readable, $_, 1) = 1 for grep { defined } $self->{connection}->descriptor, $self->{computer}->descriptor;
    select($readable, undef, undef, $rest < 0 ? 0 : $rest > 0.2 ? 0.2 : $rest);
    return;
}

sub interrupted {
    my ($self) = @_;
    $self->{computer}->stop;
    $self->release([map { { lease => 0 + $_, status => 'returned' } } @{ $self->{queue} }]) if $self->{welcome};
    $self->send('bye', reason => "signal $self->{signal}");
    $self->{exit} = 128 + $self->{signal};
    return;
}

# What is to be done at certain times; returns how many seconds there are until the next one.
sub timers {
    my ($self) = @_;
    my $now = now();
    if ($self->{deadline} && $now >= $self->{deadline}) {
        $self->fenced if @{ $self->{queue} } || $self->{welcome} && !$self->{renewing};
    }
    if ($self->{welcome} && $self->{interval} && $now >= $self->{next_ping}) {
        $self->ping;
    }
    my $silent = $now - $self->{heard};
    if ($silent >= 2 * SILENCE) {
        $self->connect;
        $self->hello;
    }
    elsif ($silent >= SILENCE && !$self->{asked_again}) {
        $self->{asked_again} = 1;
        $self->{welcome} ? $self->ping : $self->hello;
    }
    my $rest = $self->{interval} && $self->{welcome} ? $self->{next_ping} - $now : 1;
    my $until = $self->{deadline} ? $self->{deadline} - $now : 1;
    return $until > 0 && $until < $rest ? $until : $rest;
}

sub ping {
    my ($self) = @_;
    my $nonce = ++$self->{nonce};
    $self->{pings}{$nonce} = now();
    $self->{next_ping} = now() + $self->{interval} if $self->{interval};
    $self->send('ping', nonce => 0 + $nonce);
    return;
}

# ---- who this is

sub hello {
    my ($self) = @_;
    my %known = (%{ $self->{results} }, %{ $self->{leases} });
    my @held = map { { lease => 0 + $_, index => 0 + $known{$_}{index}, attempt => 0 + $known{$_}{attempt} } }
        sort { $a <=> $b } keys %known;
    my %fields = (
        version => 1, role => 'worker', language => 'perl', worker => 0 + $self->{number},
        job => $self->{job}, task => $self->{task}, host => Sys::Hostname::hostname(), pid => 0 + $$,
        session => 0 + $self->{session}, greeting => 0 + ++$self->{greeting},
        heartbeat_ms => 0 + $self->{offered}, held => \@held,
    );
    $fields{token}   = $ENV{BELLIS_TOKEN} if defined given('BELLIS_TOKEN');
    $fields{duty}    = $ENV{BELLIS_DUTY}  if defined given('BELLIS_DUTY');
    $fields{machine} = $self->{machine}   if defined $self->{machine};
    $self->{asked} = now() if $self->{welcome} || !$self->{asked};
    @$self{qw(welcome wanted pings)} = (0, 0, {});
    $self->send('hello', %fields);
    return;
}

sub on_welcome {
    my ($self, $welcome) = @_;
    return if $self->{welcome};
    return $self->fail("the broker speaks version $welcome->{version}") if ($welcome->{version} // 1) != 1;
    @$self{qw(welcome number job task)} = (1, $welcome->{worker} // 0, $welcome->{job} // '', $welcome->{task} // '');
    $self->{durable}  = $welcome->{durable} ? 1 : 0;
    my $ahead = $self->{ahead} // $welcome->{prefetch} // 0;
    $self->{capacity} = 1 + ($ahead < MOST ? $ahead : MOST - 1);
    my %held = map { $_ => 1 } @{ $welcome->{held} // [] };
    $self->forget(grep { !$held{$_} } keys %{ $self->{leases} }, keys %{ $self->{results} });
    $self->{lease}    = ($welcome->{lease_ms} // 0) / 1000;
    $self->{interval} = ($welcome->{heartbeat_ms} // 0) / 1000;
    $self->{next_ping} = now() + $self->{interval};
    $self->renew($self->{asked});
    my @again = map { $self->{results}{$_}{result} } sort { $a <=> $b } keys %{ $self->{results} };
    delete @{ $self->{results} }{ map { $_->{lease} } grep { !$self->{durable} || $_->{status} eq 'returned' } @again };
    $self->{renewing} = $self->{deadline} && now() >= $self->{deadline};
    $self->ping if $self->{renewing};
    $self->release(\@again);
    return;
}

sub on_pong {
    my ($self, $pong) = @_;
    my $sent = delete $self->{pings}{ $pong->{nonce} // 0 } // return;
    return if @{ $self->{queue} } && $self->{deadline} && now() >= $self->{deadline};    # too late: timers() says so
    $self->renew($sent);
    $self->release([]) if delete $self->{renewing};
    return;
}

# All leases last at least until `sent`, the time of a ping or hello that was answered, plus their length.
sub renew {
    my ($self, $sent) = @_;
    if (!$self->{lease}) {
        $self->{deadline} = 0;
    }
    else {
        my $slack = $self->{lease} / 10 < 0.5 ? $self->{lease} / 10 : 0.5;
        my $end   = $sent + $self->{lease} * 0.99 - $slack;
        $self->{deadline} = $end if $end > $self->{deadline};
    }
    $self->{computer}->renew($self->{deadline});
    return;
}

# The leases have ended, as far as this worker can know. It stops work on them, and says so: by a hello that does not
# list them, or, where a hello that does is on its way, by results that will follow it.
sub fenced {
    my ($self) = @_;
    my @queue = @{ $self->{queue} };
    my %block = %{ $self->{leases} };
    warn "the leases have ended: the broker was silent for too long\n" if @queue;
    $self->forget(@queue);
    return $self->hello if $self->{welcome};
    for my $lease (@queue) {
        my ($index, $attempt) = @{ $block{$lease} }{qw(index attempt)};
        $self->{results}{$lease} =
            { index => $index, attempt => $attempt, result => { lease => 0 + $lease, status => 'returned' } };
    }
    return;
}

# Stops work on these leases.
sub forget {
    my ($self, @leases) = @_;
    for my $lease (@leases) {
        if ($lease == $self->{working}) {
            $self->{computer}->stop;
            $self->{working} = 0;
        }
        delete $self->{leases}{$lease};
        delete $self->{results}{$lease};
    }
    $self->{queue} = [grep { $self->{leases}{$_} } @{ $self->{queue} }];
    return;
}

# ---- blocks

sub on_work {
    my ($self, $work) = @_;
    return if !$self->{welcome};
    for my $block (@{ $work->{blocks} }) {
        $self->{wanted}-- if $self->{wanted} > 0;
        $block->{attempt} //= 1;
        $self->{leases}{ $block->{lease} } = $block;
        push @{ $self->{queue} }, $block->{lease};
    }
    $self->hand_back(0) if $self->{draining};
    return;
}

sub begin {
    my ($self) = @_;
    return if $self->{working} || !@{ $self->{queue} };
    return if $self->{deadline} && now() >= $self->{deadline};
    $self->{working} = $self->{queue}[0];
    $self->{computer}->give($self->{leases}{ $self->{working} }, $self->{deadline});
    return;
}

# The computer is gone, and it was not this process that ended it.
sub died {
    my ($self) = @_;
    my $status = $self->{computer}->stop(1);
    return if $self->{deadline} && now() >= $self->{deadline};    # the guard did: timers() says so
    my $how = $status & 127 ? 'was killed by signal ' . ($status & 127) : 'exited with code ' . ($status >> 8);
    return ($self->{working}, 'failed', "the process that works on blocks $how");
}

sub done {
    my ($self, $lease, $status, $error) = @_;
    return if !$lease || $lease != $self->{working};
    my $result = { lease => 0 + $lease, status => $status, defined $error ? (error => $error) : () };
    my $block  = delete $self->{leases}{$lease};
    shift @{ $self->{queue} };
    $self->{working} = 0;
    if ($self->{durable} || !$self->{welcome}) {
        $self->{results}{$lease} = { index => $block->{index}, attempt => $block->{attempt}, result => $result };
    }
    $self->release([$result]) if $self->{welcome};
    return;
}

# Hands in results, asks for as many blocks as there is room for, and leaves if it drains and has nothing more.
sub release {
    my ($self, $results) = @_;
    my $want = $self->{draining} || $self->{renewing} ? 0 : $self->{capacity} - @{ $self->{queue} } - $self->{wanted};
    $want = 0 if $want < 0;
    my @results = @$results;
    while (@results > 1) {    # a message is 1 MiB at most
        my ($size, @part) = 0;
        while (@results > 1 && $size + 16 * 1024 + 100 < BYTES) {
            $size += 100 + length($results[0]{error} // '') * 4;
            push @part, shift @results;
        }
        $self->send('release', results => \@part);
    }
    $self->{wanted} += $want;
    $self->send('release', results => \@results, want => 0 + $want) if @results || $want;
    if ($self->{draining} && $self->{welcome} && !@{ $self->{queue} }) {
        $self->send('bye', reason => 'drained');
        $self->{exit} = 0;
    }
    return;
}

# Returns the newest blocks until `keep` are left, and never the one that is being worked on.
sub hand_back {
    my ($self, $keep) = @_;
    $keep = 1 if $keep < 1 && $self->{working};
    my @newest = splice @{ $self->{queue} }, $keep < @{ $self->{queue} } ? $keep : scalar @{ $self->{queue} };
    delete @{ $self->{leases} }{@newest};
    $self->send('release', results => [map { { lease => 0 + $_, status => 'returned' } } @newest]) if @newest;
    return;
}

sub on_recall {
    my ($self, $recall) = @_;
    $self->hand_back($recall->{keep} // 1) if $self->{welcome};
    return;
}

sub on_committed {
    my ($self, $committed) = @_;
    delete @{ $self->{results} }{ @{ $committed->{leases} // [] }, @{ $committed->{dropped} // [] } };
    return;
}

# ---- the end

sub on_drain {
    my ($self) = @_;
    $self->{draining} = 1;
    if ($self->{welcome}) {
        $self->hand_back(0);
        $self->release([]);
    }
    return;
}

sub on_leave {
    my ($self) = @_;
    $self->{computer}->stop;
    $self->send('bye');
    $self->{exit} = 0;
    return;
}

sub on_error {
    my ($self, $error) = @_;
    my $code = $error->{code} // 'bad_message';
    if ($code eq 'hello_first') {
        $self->hello if $self->{welcome};
        return;
    }
    return $self->unknown_worker($error) if $code eq 'unknown_worker';
    return $self->fail($error->{message})
        if !$self->{welcome} || $code =~ /^(?:unauthorized|unknown_job|unknown_task|version|wrong_role)$/;
    warn 'the broker refused a message: ', $error->{message} // $code, "\n";
    $self->{capacity} = 1 if $code eq 'limit';
    return;
}

sub unknown_worker {
    my ($self, $error) = @_;
    $self->forget(keys %{ $self->{leases} }, keys %{ $self->{results} });
    if ($self->{number} == $self->{given}) {
        return if !$self->{given};
        return $self->fail($error->{message});
    }
    $self->{number} = $self->{given};
    $self->new_session;
    $self->connect;    # errors that are on their way for what was said before belong to the former connection
    $self->hello;
    return;
}

sub fail {
    my ($self, $message) = @_;
    warn $message // 'the broker refused', "\n";
    $self->{exit} = 1;
    return;
}

1;
