package Bellis::Computer;

# The process that works on blocks, one at a time, and the guard beside it. The guard kills that process, and all that
# it has started, when its leases end, or when the worker is gone. Neither talks to the broker.

use strict;
use warnings;
use Data::MessagePack;
use Fcntl qw(F_GETFL F_SETFL O_NONBLOCK);
use IO::Handle;
use POSIX ();
use Time::HiRes qw(clock_gettime);

use constant BOOTTIME => 7;    # the clock that does not stand still while the machine sleeps

my $packer = Data::MessagePack->new->utf8(1);
my $computes = 0;    # this process is the one that computes

# A block that calls exit() ends its process here, before anything that belongs to the worker's process is destroyed.
END {
    if ($computes) {
        STDOUT->flush;
        POSIX::_exit($?);
    }
}

sub now { return clock_gettime(BOOTTIME) }

sub new {
    my ($class, $process) = @_;
    return bless { process => $process, pid => 0, guard => 0, input => '' }, $class;
}

sub running { return $_[0]{pid} }

sub start {
    my ($self) = @_;
    pipe(my $blocks, my $to_blocks)   or die "pipe: $!\n";
    pipe(my $from_results, my $results) or die "pipe: $!\n";
    pipe(my $ends, my $to_ends)       or die "pipe: $!\n";
    STDOUT->flush;
    STDERR->flush;
    my $pid = fork() // die "fork: $!\n";
    if (!$pid) {
        setpgrp(0, 0);
        close_all_but($blocks, $results);
        compute($self->{process}, $blocks, $results);
    }
    setpgrp($pid, $pid);    # whichever of the two comes first
    my $guard = fork() // die "fork: $!\n";
    if (!$guard) {
        setpgrp(0, $pid);    # so that nobody else can get the number of this group
        close_all_but($ends);
        guard($pid, $ends);
    }
    $to_blocks->autoflush(1);
    unblock($_) for $from_results, $to_ends;
    @$self{qw(pid guard input)} = ($pid, $guard, '');
    @$self{qw(to_blocks from_results to_ends)} = ($to_blocks, $from_results, $to_ends);
    return;
}

sub give {
    my ($self, $block, $deadline) = @_;
    $self->start if !$self->{pid};
    $self->renew($deadline);
    local $SIG{PIPE} = 'IGNORE';
    print { $self->{to_blocks} } pack('N/a*', $packer->pack($block));
    return;
}

# From now on the leases end at `deadline`, a time of now(); 0: they do not end by themselves.
sub renew {
    my ($self, $deadline) = @_;
    return if !$self->{pid};
    local $SIG{PIPE} = 'IGNORE';
    syswrite($self->{to_ends}, pack('d', $deadline));
    return;
}

# What has come from the process: [lease, status, error] of a block; [] if the process is gone; nothing.
sub take {
    my ($self) = @_;
    return if !$self->{pid};
    while (1) {
        my $got = sysread($self->{from_results}, $self->{input}, 65536, length $self->{input});
        if (length $self->{input} >= 4) {
            my $size = unpack('N', $self->{input});
            if (length $self->{input} >= 4 + $size) {
                my $result = $packer->unpack(substr($self->{input}, 4, $size));
                $self->{input} = substr($self->{input}, 4 + $size);
                return $result;
            }
        }
        return if !defined $got;
        return [] if $got == 0;
    }
}

sub descriptor { return $_[0]{pid} ? fileno($_[0]{from_results}) : undef }

# Ends the process, the guard, and all that they have started. Returns how the process ended, as waitpid does. One that
# `ends` by itself has a moment to do so.
sub stop {
    my ($self, $ends) = @_;
    return 0 if !$self->{pid};
    my $ended = 0;
    for (1 .. ($ends ? 100 : 0)) {
        $ended = waitpid($self->{pid}, POSIX::WNOHANG()) and last;
        Time::HiRes::sleep(0.01);
    }
    my $status = $?;
    kill 'KILL', -$self->{pid};
    if (!$ended) {
        waitpid($self->{pid}, 0);
        $status = $?;
    }
    waitpid($self->{guard}, 0);
    delete @$self{qw(to_blocks from_results to_ends)};
    @$self{qw(pid guard)} = (0, 0);
    return $status;
}

sub unblock {
    my ($handle) = @_;
    fcntl($handle, F_SETFL, fcntl($handle, F_GETFL, 0) | O_NONBLOCK) or die "fcntl: $!\n";
    return;
}

# A process that was forked must not hold the worker's connection open, nor the other end of its own pipe.
sub close_all_but {
    my %keep = map { $_ => 1 } 0, 1, 2, map { fileno $_ } @_;
    opendir(my $folder, '/proc/self/fd') or die "/proc/self/fd: $!\n";
    POSIX::close($_) for grep { /^\d+$/ && !$keep{$_} } readdir $folder;
    return;
}

sub compute {
    my ($process, $blocks, $results) = @_;
    $computes = 1;
    $SIG{$_} = 'DEFAULT' for qw(TERM INT);
    $results->autoflush(1);
    while (read($blocks, my $head, 4) == 4) {
        read($blocks, my $bytes, unpack('N', $head));
        my $block = $packer->unpack($bytes);
        my @result = eval { $process->($block); 1 } ? 'completed' : ('failed', text($@));
        STDOUT->flush;    # this process may be killed as soon as the result is there
        print {$results} pack('N/a*', $packer->pack([0 + $block->{lease}, @result]));
    }
    POSIX::_exit(0);
}

# What a message may carry: UTF-8, and no more than 16 KiB.
sub text {
    my ($text) = @_;
    $text = "$text";
    utf8::decode($text) if !utf8::is_utf8($text);    # else the bytes are taken for Latin-1
    utf8::upgrade($text);
    return length $text > 4000 ? substr($text, 0, 2000) . ' ... ' . substr($text, -1990) : $text;
}

sub guard {
    my ($pid, $ends) = @_;
    $SIG{$_} = 'IGNORE' for qw(TERM INT);
    my $deadline = 0;
    while (1) {
        my $rest = $deadline ? $deadline - now() : 1;
        last if $rest <= 0;
        vec(my $readable = '', fileno $ends, 1) = 1;
        next if select($readable, undef, undef, $rest < 0.1 ? $rest : 0.1) <= 0;
        my $size = sysread($ends, my $bytes, 8);
        last if !$size;
        $deadline = unpack('d', $bytes);
    }
    kill 'KILL', -$pid;
    POSIX::_exit(0);
}

1;
