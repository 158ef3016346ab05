package Bellis::Connection;

# A connection to the broker, over sockets that can be replaced. None of its functions blocks.

use strict;
use warnings;
use Bellis::Given qw(given);
use Bellis::Message;
use ZMQ::FFI;
use ZMQ::FFI::Constants qw(
    ZMQ_DEALER ZMQ_DONTWAIT ZMQ_IPV6 ZMQ_CURVE_SERVERKEY ZMQ_CURVE_PUBLICKEY ZMQ_CURVE_SECRETKEY
);

sub new {
    my ($class, $endpoint) = @_;
    return bless { context => ZMQ::FFI->new, endpoint => $endpoint }, $class;
}

# Opens a socket. One that was open is closed, with all that it had still to say.
sub open {
    my ($self) = @_;
    if ($self->{socket}) {
        $self->{socket}->set_linger(0);
        $self->{socket}->close;
    }
    my $socket = $self->{socket} = $self->{context}->socket(ZMQ_DEALER);
    $socket->set_linger(1000);
    $socket->set(ZMQ_IPV6, 'int', 1) if $self->{endpoint} =~ m{^tcp://\[};
    if (my $key = given('BELLIS_SERVER_KEY')) {
        $socket->set(ZMQ_CURVE_SERVERKEY, 'binary', $key);
        $socket->set(ZMQ_CURVE_PUBLICKEY, 'binary', $ENV{BELLIS_PUBLIC_KEY});
        $socket->set(ZMQ_CURVE_SECRETKEY, 'binary', $ENV{BELLIS_SECRET_KEY});
    }
    $socket->connect($self->{endpoint});
    return;
}

sub close { $_[0]{socket}->close; return }

sub send {
    my ($self, $kind, %fields) = @_;
    my $bytes = Bellis::Message::pack_message([$kind, \%fields]);
    eval { $self->{socket}->send($bytes, ZMQ_DONTWAIT); 1 }
        or warn "cannot send $kind: $@";    # as if it were lost on its way
    return;
}

# Is there a message? The descriptor tells of changes only: it says something new after this has said no.
sub ready { return $_[0]{socket}->has_pollin }

sub descriptor { return $_[0]{socket}->get_fd }

# The next message, as kind and fields; nothing if it is none.
sub receive { return Bellis::Message::unpack_message($_[0]{socket}->recv) }

1;
